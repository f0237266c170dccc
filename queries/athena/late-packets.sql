-- Over the tables of the store in S3; docs/queries.md defines them.
WITH told AS (
  SELECT
    interface, remote, direction, protocol, continued, late_packets, start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE late_packets > 0 AND start >= :from AND start < :to
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
)
SELECT
  interface, remote, direction,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  port,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(late_packets) AS late_packets,
  MIN(start) AS "first",
  MAX("end") AS "last"
FROM told
GROUP BY interface, remote, direction, protocol, port
ORDER BY late_packets DESC, interface, remote, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
