-- Over the tables of the store in S3; docs/queries.md defines them.
WITH usage AS (
  SELECT
    rule_id,
    SUM(connections) AS connections,
    SUM(sole_connections) AS sole_connections,
    COUNT(DISTINCT port) AS used_ports,
    MAX(last_used) AS last_used
  FROM rule_usage
  WHERE dt >= :from AND dt <= :to
  GROUP BY rule_id
)
SELECT
  rules.rule_id, rules.security_group, rules.protocol, rules.port_range, rules.peer,
  COALESCE(usage.connections, 0) AS connections,
  COALESCE(usage.sole_connections, 0) AS sole_connections,
  COALESCE(usage.used_ports, 0) AS used_ports,
  usage.last_used
FROM rules LEFT JOIN usage ON rules.rule_id = usage.rule_id
WHERE rules.gone_by IS NULL AND rules.direction = :direction
  AND (rules.peer IN ('0.0.0.0/0', '::/0') OR rules.protocol = 'all'
    OR rules.to_port - rules.from_port + 1 >= :ports)
ORDER BY connections DESC, rule_id
LIMIT :limit
