-- title: Findings by security group
-- question: Which security groups have how many findings of which kind, as of the analysis that was kept?
-- columns:
--   security_group = id, null for findings of none
--   kind = of the findings
--   worst = highest severity among them
--   findings = number of them
--   reliable = of these, those of grade reliable
--   first = earliest start
--   last = latest end
-- param: group (group) = null only this group
-- param: limit (count) = 200 most rows
-- tables: findings
-- no-insights: findings are flowgate's
WITH ranked AS (
  SELECT
    security_group, kind, grade, start, "end",
    CASE severity
      WHEN 'critical' THEN 5 WHEN 'high' THEN 4 WHEN 'medium' THEN 3 WHEN 'low' THEN 2 ELSE 1
    END AS weight
  FROM findings
  WHERE (:group IS NULL OR security_group = :group)
), grouped AS (
  SELECT
    security_group, kind, MAX(weight) AS weight,
    COUNT(*) AS findings,
    COUNT(*) FILTER (WHERE grade = 'reliable') AS reliable,
    MIN(start) AS first,
    MAX("end") AS last
  FROM ranked
  GROUP BY security_group, kind
)
SELECT
  security_group, kind,
  CASE weight
    WHEN 5 THEN 'critical' WHEN 4 THEN 'high' WHEN 3 THEN 'medium' WHEN 2 THEN 'low' ELSE 'informational'
  END AS worst,
  findings, reliable, first, last
FROM grouped
ORDER BY weight DESC, findings DESC, security_group NULLS LAST, kind
LIMIT :limit
