-- title: Large transfers to the outside
-- question: Which single connections sent many bytes to a public address, whoever opened them?
-- columns:
--   opened = first packet of the connection
--   last = last packet in this time
--   interface = ours
--   instance = that it is attached to
--   local = its address
--   remote = address of the other side
--   direction = of the opener, null if unknown
--   protocol = its name or number
--   port = the service's, null if the opener is unknown
--   verdict = of the connection
--   bytes_out = sent in this time
--   bytes_in = received in this time
-- param: bytes (count) = 100000000 sent at least
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
SELECT
  opened, MAX("end") AS last, interface, instance, local, remote, direction,
  protocol_name(protocol) AS protocol,
  CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port,
  verdict, SUM(bytes_out) AS bytes_out, SUM(bytes_in) AS bytes_in
FROM connections
WHERE start >= :from AND start < :to AND NOT is_private(remote)
GROUP BY
  opened, interface, instance, local, remote, direction, protocol, local_port, remote_port, verdict
HAVING SUM(bytes_out) >= :bytes
ORDER BY bytes_out DESC, opened, interface, remote, protocol, port NULLS LAST
LIMIT :limit
