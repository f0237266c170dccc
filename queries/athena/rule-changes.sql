-- Over the tables of the store in S3; docs/queries.md defines them.
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
