-- title: Services that the internet reaches
-- question: Which local ports accepted connections from public addresses, from how many, and were they explained?
--   A row with direction null is one only if the remote side opened these connections, which can't be told.
-- columns:
--   interface = ours
--   local = its address
--   direction = inbound, or null if the opener is unknown
--   protocol = its name or number
--   port = local port
--   connections = accepted, that began in this time
--   escaped = of these, those that no rule explains
--   remotes = distinct public addresses
--   bytes_out = sent to them
--   first = first packet in this time
--   last = last packet
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
SELECT
  interface, local, direction, protocol_name(protocol) AS protocol, local_port AS port,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  COUNT(*) FILTER (WHERE NOT continued AND verdict = 'escaped') AS escaped,
  COUNT(DISTINCT remote) AS remotes,
  SUM(bytes_out) AS bytes_out,
  MIN(start) AS first,
  MAX("end") AS last
FROM connections
WHERE start >= :from AND start < :to
  AND action = 'accept' AND (direction = 'inbound' OR direction IS NULL)
  AND NOT is_private(remote)
GROUP BY interface, local, direction, protocol, local_port
ORDER BY remotes DESC, interface, local, direction NULLS LAST, protocol, port
LIMIT :limit
