-- title: Broad rules, and what uses them
-- question: Which rules of today are open to everybody, for all protocols or for many ports, and how much of that is used?
-- columns:
--   rule_id = of the rule
--   security_group = its group
--   protocol = of the rule
--   port_range = of the rule
--   peer = of the rule
--   connections = that it permits, in this time
--   sole_connections = of these, those that no other rule permits
--   used_ports = distinct service ports of them
--   last_used = last packet, null if it was not used
-- param: direction (inbound|outbound) = inbound of the rules
-- param: ports (count) = 1000 this many ports are many
-- param: from (day) = 1970-01-01 first day
-- param: to (day) = 9999-12-31 last day
-- param: limit (count) = 100 most rows
-- tables: rules, rule_usage
-- no-insights: flow logs do not name rules
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
