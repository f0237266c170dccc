-- Over the tables of the store in S3; docs/queries.md defines them.
WITH ranked AS (
  SELECT
    start, interface, attempts, packets, protocol, port, direction, top_remote, top_remote_attempts,
    ROW_NUMBER() OVER (
      PARTITION BY interface, start
      ORDER BY 0 - top_remote_attempts, top_remote, protocol, port, direction, reason
    ) AS place
  FROM rejects
  WHERE start >= :from AND start < :to AND (:interface IS NULL OR interface = :interface)
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
)
SELECT
  start, interface,
  SUM(attempts) AS attempts,
  SUM(packets) AS packets,
  COUNT(*) AS services,
  MAX(CASE WHEN place = 1 THEN top_remote END) AS top_remote,
  MAX(CASE WHEN place = 1 THEN top_remote_attempts END) AS top_remote_attempts
FROM ranked
GROUP BY start, interface
ORDER BY start, interface
LIMIT :limit
