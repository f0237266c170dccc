-- title: Replies that were rejected
-- question: Which accepted connections got no answer, because a network ACL rejected the replies?
-- columns:
--   subnet = of the interface
--   interface = ours
--   blocked_reply = what rejected the replies
--   direction = of the opener, null if unknown
--   protocol = its name or number
--   port = the service's, null if the opener is unknown
--   connections = that began in this time
--   remotes = distinct addresses of the other side
--   first = first packet in this time
--   last = last packet
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
-- no-insights: it would have to join both directions
WITH told AS (
  SELECT
    subnet, interface, blocked_reply, direction, protocol, remote, continued, start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE blocked_reply IS NOT NULL AND start >= :from AND start < :to
)
SELECT
  subnet, interface, blocked_reply, direction, protocol_name(protocol) AS protocol, port,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  COUNT(DISTINCT remote) AS remotes,
  MIN(start) AS first,
  MAX("end") AS last
FROM told
GROUP BY subnet, interface, blocked_reply, direction, protocol, port
ORDER BY connections DESC, interface, blocked_reply, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
