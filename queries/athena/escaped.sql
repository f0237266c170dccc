-- Over the tables of the store in S3; docs/queries.md defines them.
WITH told AS (
  SELECT
    reason, interface, local, remote, direction, protocol, continued, bytes_in + bytes_out AS bytes,
    start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE verdict = 'escaped' AND start >= :from AND start < :to
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
)
SELECT
  reason, interface, local, remote, direction,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  port,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(bytes) AS bytes,
  MIN(start) AS "first",
  MAX("end") AS "last"
FROM told
GROUP BY reason, interface, local, remote, direction, protocol, port
ORDER BY reason, bytes DESC, interface, local, remote, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
