-- Over the tables of the store in S3; docs/queries.md defines them.
WITH used AS (
  SELECT rule_id, remote, regexp_like(remote, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|127\.|169\.254\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)') AS inside, continued, bytes_out, "end"
  FROM connections CROSS JOIN UNNEST(rules) AS permits (rule_id)
  WHERE start >= :from AND start < :to AND direction = 'inbound'
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
), usage AS (
  SELECT
    rule_id,
    COUNT(*) FILTER (WHERE NOT continued) AS connections,
    COUNT(DISTINCT remote) AS remotes,
    SUM(bytes_out) AS bytes_out,
    MAX("end") AS "last"
  FROM used
  GROUP BY rule_id
  HAVING COUNT(*) FILTER (WHERE inside) = 0
), newest AS (
  SELECT
    rule_id, security_group, port_range, peer,
    ROW_NUMBER() OVER (PARTITION BY rule_id ORDER BY seen_to DESC, seen_from DESC) AS place
  FROM rules
), latest AS (
  SELECT rule_id, security_group, port_range, peer FROM newest WHERE place = 1
)
SELECT
  usage.rule_id, latest.security_group, latest.port_range, latest.peer,
  usage.connections, usage.remotes, usage.bytes_out, usage."last"
FROM usage LEFT JOIN latest ON usage.rule_id = latest.rule_id
ORDER BY connections DESC, rule_id
LIMIT :limit
