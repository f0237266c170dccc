-- Over the tables of the store in S3; docs/queries.md defines them.
WITH told AS (
  SELECT
    subnet, interface, blocked_reply, direction, protocol, remote, continued, start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE blocked_reply IS NOT NULL AND start >= :from AND start < :to
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
)
SELECT
  subnet, interface, blocked_reply, direction,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  port,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  COUNT(DISTINCT remote) AS remotes,
  MIN(start) AS "first",
  MAX("end") AS "last"
FROM told
GROUP BY subnet, interface, blocked_reply, direction, protocol, port
ORDER BY connections DESC, interface, blocked_reply, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
