-- title: Rules that only the internet uses
-- question: Which inbound rules were used by public addresses and by no private one?
--   Such a rule is a way in from outside that nothing inside needs.
-- columns:
--   rule_id = of the rule
--   security_group = its group, null if the inventory does not have it
--   port_range = of the rule
--   peer = of the rule
--   connections = that began in this time
--   remotes = distinct addresses
--   bytes_out = sent to them
--   last = last packet
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections, rules
-- no-insights: flow logs do not name rules
WITH used AS (
  SELECT unnest(rules) AS rule_id, remote, is_private(remote) AS inside, continued, bytes_out, "end"
  FROM connections
  WHERE start >= :from AND start < :to AND direction = 'inbound'
), usage AS (
  SELECT
    rule_id,
    COUNT(*) FILTER (WHERE NOT continued) AS connections,
    COUNT(DISTINCT remote) AS remotes,
    SUM(bytes_out) AS bytes_out,
    MAX("end") AS last
  FROM used
  WHERE rule_id IS NOT NULL
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
  usage.connections, usage.remotes, usage.bytes_out, usage.last
FROM usage LEFT JOIN latest ON usage.rule_id = latest.rule_id
ORDER BY connections DESC, rule_id
LIMIT :limit
