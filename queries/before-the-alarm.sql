-- title: What an instance did before a time
-- question: Which connections did the interfaces of this instance have in the time before an alarm, the latest first?
--   A connection over midnight (UTC) has a row a day. One whose opener is unknown has direction and port null.
-- columns:
--   start = first packet of the connection, or of its day
--   end = last packet
--   interface = of the instance
--   direction = of the opener
--   remote = address of the other side
--   protocol = its name or number
--   port = the service's
--   verdict = of the connection
--   reason = of the verdict
--   bytes_in = accepted, towards the interface
--   bytes_out = accepted, away from it
--   rules = that permit it
-- param: instance (instance) that is asked for
-- param: time (time) of the alarm
-- param: window (duration) = 1h how long before
-- param: limit (count) = 200 most rows
-- tables: connections
-- no-insights: the default format does not name instances
SELECT
  start, "end", interface, direction, remote, protocol_name(protocol) AS protocol,
  CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port,
  verdict, reason, bytes_in, bytes_out, items(rules) AS rules
FROM connections
WHERE instance = :instance
  AND start < :time AND epoch("end") >= epoch(:time) - :window
ORDER BY start DESC, interface, remote, protocol, local_port, remote_port, opened
LIMIT :limit
