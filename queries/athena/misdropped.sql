-- Over the tables of the store in S3; docs/queries.md defines them.
WITH told AS (
  SELECT
    interface, direction, remote, protocol, array_join(rules, ', ') AS rules, continued,
    rejected_in + rejected_out AS packets, start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE verdict = 'misdropped' AND start >= :from AND start < :to
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
)
SELECT
  interface, direction, remote,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  port, rules,
  COUNT(*) FILTER (WHERE NOT continued) AS attempts,
  SUM(packets) AS packets,
  MIN(start) AS "first",
  MAX("end") AS "last"
FROM told
GROUP BY interface, direction, remote, protocol, port, rules
ORDER BY attempts DESC, interface, direction NULLS LAST, remote, protocol, port NULLS LAST, rules
LIMIT :limit
