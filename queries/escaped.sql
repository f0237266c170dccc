-- title: Accepted, and no rule explains it
-- question: Which accepted connections does the configuration not explain, and why might that be?
--   no-rule and rule-removed-new are alarms; the other reasons say what is not known.
-- columns:
--   reason = why it can't be explained
--   interface = ours
--   local = its address
--   remote = address of the other side
--   direction = of the opener, null if unknown
--   protocol = its name or number
--   port = the service's, null if the opener is unknown
--   connections = that began in this time
--   bytes = accepted, both ways
--   first = first packet in this time
--   last = last packet
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
-- no-insights: flow logs do not say what rules permit
WITH told AS (
  SELECT
    reason, interface, local, remote, direction, protocol, continued, bytes_in + bytes_out AS bytes,
    start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE verdict = 'escaped' AND start >= :from AND start < :to
)
SELECT
  reason, interface, local, remote, direction, protocol_name(protocol) AS protocol, port,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(bytes) AS bytes,
  MIN(start) AS first,
  MAX("end") AS last
FROM told
GROUP BY reason, interface, local, remote, direction, protocol, port
ORDER BY reason, bytes DESC, interface, local, remote, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
