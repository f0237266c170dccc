-- title: Rules that nothing used
-- question: Which rules of today permitted no connection in this time, and did the logs watch the interfaces that have them?
--   Where watched is less than interfaces, or interfaces is 0, nothing can be concluded. flowgate tighten weighs that.
-- columns:
--   rule_id = of the rule
--   security_group = its group
--   group_name = its name
--   direction = of the rule
--   protocol = of the rule
--   port_range = of the rule
--   peer = of the rule
--   seen_from = since when it is known to be so
--   interfaces = that have the group now
--   watched = of these, those with logs in this time
-- param: group (group) = null only rules of this group
-- param: from (day) = 1970-01-01 first day
-- param: to (day) = 9999-12-31 last day
-- param: limit (count) = 200 most rows
-- tables: rules, rule_usage, interfaces, coverage
-- no-insights: flow logs do not name rules
WITH used AS (
  SELECT DISTINCT rule_id FROM rule_usage WHERE dt >= :from AND dt <= :to
), logged AS (
  SELECT DISTINCT interface FROM coverage WHERE dt >= :from AND dt <= :to
), members AS (
  SELECT interface, unnest(security_groups) AS security_group FROM interfaces WHERE gone_by IS NULL
), watching AS (
  SELECT
    members.security_group,
    COUNT(DISTINCT members.interface) AS interfaces,
    COUNT(DISTINCT logged.interface) AS watched
  FROM members LEFT JOIN logged ON members.interface = logged.interface
  GROUP BY members.security_group
)
SELECT
  rules.rule_id, rules.security_group, rules.group_name, rules.direction, rules.protocol,
  rules.port_range, rules.peer, rules.seen_from,
  COALESCE(watching.interfaces, 0) AS interfaces,
  COALESCE(watching.watched, 0) AS watched
FROM rules
LEFT JOIN used ON rules.rule_id = used.rule_id
LEFT JOIN watching ON rules.security_group = watching.security_group
WHERE used.rule_id IS NULL AND rules.gone_by IS NULL
  AND (:group IS NULL OR rules.security_group = :group)
ORDER BY security_group, direction, rule_id
LIMIT :limit
