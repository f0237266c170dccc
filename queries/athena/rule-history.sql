-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  dt AS day, interface,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  port,
  connections, sole_connections, remotes, bytes
FROM rule_usage
WHERE rule_id = :rule AND dt >= :from AND dt <= :to
ORDER BY dt, interface, protocol, port
LIMIT :limit
