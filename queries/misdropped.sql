-- title: Rejected, although rules permit it
-- question: Which attempts were rejected although the configuration permits them, and by which rules?
--   The inventory is older or newer than the logs, or something else rejects: a network ACL that is missing, a firewall.
-- columns:
--   interface = ours
--   direction = of the attempts
--   remote = address of the other side
--   protocol = its name or number
--   port = the service's
--   rules = that permit them
--   attempts = number of them
--   packets = rejected
--   first = first packet in this time
--   last = last packet
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
-- no-insights: flow logs do not say what rules permit
WITH told AS (
  SELECT
    interface, direction, remote, protocol, items(rules) AS rules, continued,
    rejected_in + rejected_out AS packets, start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE verdict = 'misdropped' AND start >= :from AND start < :to
)
SELECT
  interface, direction, remote, protocol_name(protocol) AS protocol, port, rules,
  COUNT(*) FILTER (WHERE NOT continued) AS attempts,
  SUM(packets) AS packets,
  MIN(start) AS first,
  MAX("end") AS last
FROM told
GROUP BY interface, direction, remote, protocol, port, rules
ORDER BY attempts DESC, interface, direction NULLS LAST, remote, protocol, port NULLS LAST, rules
LIMIT :limit
