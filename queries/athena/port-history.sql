-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  dt AS day, interface, direction, verdict,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  COUNT(DISTINCT remote) AS remotes,
  SUM(bytes_in) AS bytes_in,
  SUM(bytes_out) AS bytes_out
FROM connections
WHERE dt >= :from AND dt <= :to AND protocol = :protocol
  AND ((direction = 'inbound' AND local_port = :port)
    OR (direction = 'outbound' AND remote_port = :port)
    OR (direction IS NULL AND (local_port = :port OR remote_port = :port)))
GROUP BY dt, interface, direction, verdict
ORDER BY day, interface, direction NULLS LAST, verdict
LIMIT :limit
