-- title: Connections whose opener is unknown
-- question: Where can't it be told who opened the connections, so that other questions leave them out or say null?
-- columns:
--   interface = ours
--   local = its address
--   remote = address of the other side
--   protocol = its name or number
--   verdict = of the connections
--   reason = of the verdict
--   connections = that began in this time
--   bytes_in = accepted, towards the interface
--   bytes_out = accepted, away from it
--   first = first packet in this time
--   last = last packet
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
-- no-insights: flow logs do not say who opened a connection
SELECT
  interface, local, remote, protocol_name(protocol) AS protocol, verdict, reason,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(bytes_in) AS bytes_in,
  SUM(bytes_out) AS bytes_out,
  MIN(start) AS first,
  MAX("end") AS last
FROM connections
WHERE direction IS NULL AND start >= :from AND start < :to
GROUP BY interface, local, remote, protocol, verdict, reason
ORDER BY connections DESC, interface, local, remote, protocol, verdict, reason
LIMIT :limit
