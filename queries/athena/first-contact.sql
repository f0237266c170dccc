-- Over the tables of the store in S3; docs/queries.md defines them.
WITH contacts AS (
  SELECT
    opened, start, interface, local, direction, protocol, verdict, reason, rules,
    local_port, remote_port,
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE remote = :address
), numbered AS (
  SELECT
    opened, interface, local, direction, protocol, port, verdict, reason, rules,
    ROW_NUMBER() OVER (
      PARTITION BY interface, direction, protocol, port
      ORDER BY opened, start, local, local_port, remote_port
    ) AS place
  FROM contacts
)
SELECT
  opened, interface, local, direction,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  port, verdict, reason,
  array_join(rules, ', ') AS rules
FROM numbered
WHERE place = 1
ORDER BY opened, interface, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
