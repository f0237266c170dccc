-- title: Use of a rule, day by day
-- question: On which days was this rule used, at which interfaces, for which services, and how much hung on it alone?
-- columns:
--   day = of the connections
--   interface = whose connections these are
--   protocol = its name or number
--   port = the service's
--   connections = that the rule permits
--   sole_connections = of these, those that no other rule permits
--   remotes = distinct addresses of the other side
--   bytes = accepted, both ways
-- param: rule (rule) that is asked for
-- param: from (day) = 1970-01-01 first day
-- param: to (day) = 9999-12-31 last day
-- param: limit (count) = 500 most rows
-- tables: rule_usage
-- no-insights: flow logs do not name rules
SELECT
  dt AS day, interface, protocol_name(protocol) AS protocol, port,
  connections, sole_connections, remotes, bytes
FROM rule_usage
WHERE rule_id = :rule AND dt >= :from AND dt <= :to
ORDER BY dt, interface, protocol, port
LIMIT :limit
