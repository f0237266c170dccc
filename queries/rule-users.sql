-- title: Who used a rule
-- question: Which connections did this rule permit, and which of them hang on it alone?
-- columns:
--   interface = ours
--   remote = address of the other side
--   protocol = its name or number
--   port = the service's
--   connections = that began in this time
--   sole = of these, those that no other rule permits
--   bytes = accepted, both ways
--   first = first packet in this time
--   last = last packet
-- param: rule (rule) that is asked for
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
-- no-insights: flow logs do not name rules
WITH used AS (
  SELECT
    interface, remote, protocol, rules, continued, bytes_in + bytes_out AS bytes, start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE has(rules, :rule) AND start >= :from AND start < :to
)
SELECT
  interface, remote, protocol_name(protocol) AS protocol, port,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  COUNT(*) FILTER (WHERE NOT continued AND array_length(rules) = 1) AS sole,
  SUM(bytes) AS bytes,
  MIN(start) AS first,
  MAX("end") AS last
FROM used
GROUP BY interface, remote, protocol, port
ORDER BY connections DESC, bytes DESC, interface, remote, protocol, port NULLS LAST
LIMIT :limit
