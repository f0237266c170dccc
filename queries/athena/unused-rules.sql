-- Over the tables of the store in S3; docs/queries.md defines them.
WITH used AS (
  SELECT DISTINCT rule_id FROM rule_usage WHERE dt >= :from AND dt <= :to
), logged AS (
  SELECT DISTINCT interface FROM coverage WHERE dt >= :from AND dt <= :to
), members AS (
  SELECT interface, security_group
  FROM interfaces CROSS JOIN UNNEST(security_groups) AS member (security_group)
  WHERE gone_by IS NULL
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
