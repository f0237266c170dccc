-- title: Rules that connections hang on alone
-- question: Which rules permit connections that no other rule permits, so that they would be cut with the rule?
-- columns:
--   rule_id = of the rule
--   security_group = its group
--   direction = of the rule
--   connections = that the rule permits
--   sole_connections = of these, those that no other rule permits
--   bytes = accepted, both ways, of all of them
--   last_used = last packet
-- param: group (group) = null only rules of this group
-- param: from (day) = 1970-01-01 first day
-- param: to (day) = 9999-12-31 last day
-- param: limit (count) = 100 most rows
-- tables: rule_usage
-- no-insights: flow logs do not name rules
SELECT
  rule_id, security_group, direction,
  SUM(connections) AS connections,
  SUM(sole_connections) AS sole_connections,
  SUM(bytes) AS bytes,
  MAX(last_used) AS last_used
FROM rule_usage
WHERE dt >= :from AND dt <= :to AND (:group IS NULL OR security_group = :group)
GROUP BY rule_id, security_group, direction
HAVING SUM(sole_connections) > 0
ORDER BY sole_connections DESC, rule_id
LIMIT :limit
