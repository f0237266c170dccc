-- title: What changed in the rules
-- question: Which rules came, and which went, between these times, as far as the inventory tells?
--   A rule that was changed went as it was and came as it is. When is only known to lie between two observations.
-- columns:
--   change = came or went
--   not_before = not earlier than this
--   not_after = not later than this
--   rule_id = of the rule
--   security_group = its group
--   direction = of the rule
--   protocol = of the rule
--   port_range = of the rule
--   peer = of the rule
-- param: from (time) = 1970-01-01 the change can have been at this time or later
-- param: to (time) = 9999-01-01 and before this time
-- param: group (group) = null only rules of this group
-- param: limit (count) = 200 most rows
-- tables: rules
-- no-insights: flow logs hold no configuration
WITH changes AS (
  SELECT
    'came' AS change, appeared_after AS not_before, seen_from AS not_after,
    rule_id, security_group, direction, protocol, port_range, peer
  FROM rules
  WHERE appeared_after IS NOT NULL
  UNION ALL
  SELECT
    'went' AS change, seen_to AS not_before, gone_by AS not_after,
    rule_id, security_group, direction, protocol, port_range, peer
  FROM rules
  WHERE gone_by IS NOT NULL
)
SELECT change, not_before, not_after, rule_id, security_group, direction, protocol, port_range, peer
FROM changes
WHERE not_after >= :from AND not_before < :to AND (:group IS NULL OR security_group = :group)
ORDER BY not_after, not_before, rule_id, change DESC
LIMIT :limit
