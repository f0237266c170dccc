-- Over the tables of the store in S3; docs/queries.md defines them.
WITH told AS (
  SELECT interface, regexp_like(remote, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|127\.|169\.254\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)') AS inside, continued, bytes_in, bytes_out
  FROM connections
  WHERE start >= :from AND start < :to
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
), traffic AS (
  SELECT
    interface,
    COUNT(*) FILTER (WHERE NOT continued) AS connections,
    SUM(CASE WHEN inside THEN 0 ELSE bytes_out END) AS out_public,
    SUM(CASE WHEN inside THEN 0 ELSE bytes_in END) AS in_public,
    SUM(CASE WHEN inside THEN bytes_out ELSE 0 END) AS out_private,
    SUM(CASE WHEN inside THEN bytes_in ELSE 0 END) AS in_private
  FROM told
  GROUP BY interface
), newest AS (
  SELECT
    interface, security_groups,
    ROW_NUMBER() OVER (PARTITION BY interface ORDER BY seen_to DESC, seen_from DESC) AS place
  FROM interfaces
), members AS (
  SELECT interface, security_group
  FROM newest LEFT JOIN UNNEST(security_groups) AS has (security_group) ON TRUE
  WHERE place = 1
)
SELECT
  members.security_group,
  COUNT(*) AS interfaces,
  SUM(traffic.connections) AS connections,
  SUM(traffic.out_public) AS bytes_out_public,
  SUM(traffic.in_public) AS bytes_in_public,
  SUM(traffic.out_private) AS bytes_out_private,
  SUM(traffic.in_private) AS bytes_in_private
FROM traffic LEFT JOIN members ON traffic.interface = members.interface
GROUP BY members.security_group
ORDER BY bytes_out_public DESC, security_group NULLS LAST
LIMIT :limit
