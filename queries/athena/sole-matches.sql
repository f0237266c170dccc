-- Over the tables of the store in S3; docs/queries.md defines them.
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
