-- Over the tables of the store in S3; docs/queries.md defines them.
WITH used AS (
  SELECT
    interface, remote, protocol, rules, continued, bytes_in + bytes_out AS bytes, start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE contains(rules, :rule) AND start >= :from AND start < :to
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
)
SELECT
  interface, remote,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  port,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  COUNT(*) FILTER (WHERE NOT continued AND cardinality(rules) = 1) AS sole,
  SUM(bytes) AS bytes,
  MIN(start) AS "first",
  MAX("end") AS "last"
FROM used
GROUP BY interface, remote, protocol, port
ORDER BY connections DESC, bytes DESC, interface, remote, protocol, port NULLS LAST
LIMIT :limit
