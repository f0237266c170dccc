-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  remote,
  COUNT(*) FILTER (WHERE action = 'reject') AS rejected,
  COUNT(DISTINCT CASE WHEN action = 'reject' THEN local END) AS addresses,
  COUNT(DISTINCT CASE WHEN action = 'reject' THEN local_port END) AS ports,
  COUNT(*) FILTER (WHERE action = 'accept') AS accepted,
  MIN(opened) AS "first",
  MAX(opened) AS "last"
FROM connections
WHERE start >= :from AND start < :to AND NOT continued
  AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
  AND direction = 'inbound' AND reason <> 'late-packet'
GROUP BY remote
HAVING COUNT(DISTINCT CASE WHEN action = 'reject' THEN local END) >= :least
  OR COUNT(DISTINCT CASE WHEN action = 'reject' THEN local_port END) >= :least
ORDER BY rejected DESC, remote
LIMIT :limit
