-- Over the tables of the store in S3; docs/queries.md defines them.
WITH attempts AS (
  SELECT
    CASE WHEN direction = 'inbound' THEN remote ELSE local END AS source,
    CASE WHEN direction = 'inbound' THEN local ELSE remote END AS target,
    CASE WHEN direction = 'inbound' THEN local_port ELSE remote_port END AS port,
    action, opened
  FROM connections
  WHERE start >= :from AND start < :to AND NOT continued
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
    AND direction IS NOT NULL AND protocol = 6
    AND regexp_like(remote, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|127\.|169\.254\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)')
    AND regexp_like(local, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|127\.|169\.254\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)')
)
SELECT
  source,
  COUNT(DISTINCT target) AS targets,
  COUNT(DISTINCT CASE WHEN action = 'accept' THEN target END) AS reached,
  COUNT(DISTINCT port) AS ports,
  MIN(opened) AS "first",
  MAX(opened) AS "last"
FROM attempts
WHERE port IN (22, 23, 135, 139, 445, 3389, 5900, 5985, 5986)
GROUP BY source
HAVING COUNT(DISTINCT target) >= :targets
ORDER BY targets DESC, source
LIMIT :limit
