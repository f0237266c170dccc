-- title: Late packets
-- question: Where were packets rejected of connections that had been accepted before?
--   They are no attempts: a tracked connection had ended or idled out at the security group while one side went on.
-- columns:
--   interface = ours
--   remote = address of the other side
--   direction = of the opener, null if unknown
--   protocol = its name or number
--   port = the service's, null if the opener is unknown
--   connections = with such packets, that began in this time
--   late_packets = number of them
--   first = first packet of these connections in this time, late ones apart
--   last = last one, the same
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
-- no-insights: it would have to join both directions
WITH told AS (
  SELECT
    interface, remote, direction, protocol, continued, late_packets, start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE late_packets > 0 AND start >= :from AND start < :to
)
SELECT
  interface, remote, direction, protocol_name(protocol) AS protocol, port,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(late_packets) AS late_packets,
  MIN(start) AS first,
  MAX("end") AS last
FROM told
GROUP BY interface, remote, direction, protocol, port
ORDER BY late_packets DESC, interface, remote, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
