-- title: Who used a rule
-- question: Which remote addresses had connections that this rule permits, on which service, and did another rule permit them, too?
-- columns:
--   interface = ours
--   remote = address of the other side
--   port = of the service
--   connections = that the rule permits; one over midnight counts once
--   sole = of these, those that no other rule permits
--   first = begin of the first
--   last = latest packet
-- param: rule (rule) id of a security group rule
-- param: limit (count) = 100 most rows
-- tables: connections
-- no-athena: flow logs don't name rules
-- no-insights: flow logs don't name rules
SELECT
  interface,
  remote,
  CASE WHEN direction = 'inbound' THEN local_port ELSE remote_port END AS port,
  SUM(CASE WHEN continued THEN 0 ELSE 1 END) AS connections,
  SUM(CASE WHEN NOT continued AND ARRAY_LENGTH(rules) = 1 THEN 1 ELSE 0 END) AS sole,
  MIN(opened) AS first,
  MAX("end") AS last
FROM connections
WHERE has(rules, :rule)
GROUP BY interface, remote, port
ORDER BY connections DESC, interface, remote, port
LIMIT :limit
