-- title: DNS at foreign resolvers
-- question: Which interfaces asked DNS servers (53, or 853 with TLS) that are not among ours?
--   Queries to the resolver of the VPC are not in flow logs. A row with direction null is one only if we opened it.
-- columns:
--   interface = ours
--   instance = that it is attached to
--   remote = the server
--   direction = outbound, or null if the opener is unknown
--   protocol = its name or number
--   port = 53 or 853
--   action = accept or reject
--   connections = that began in this time
--   bytes_out = sent
--   bytes_in = received
--   first = first packet in this time
--   last = last packet
-- param: resolvers (networks) = 10.0.0.0/8,172.16.0.0/12,192.168.0.0/16 networks of our own servers
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
SELECT
  interface, instance, remote, direction, protocol_name(protocol) AS protocol, remote_port AS port, action,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(bytes_out) AS bytes_out,
  SUM(bytes_in) AS bytes_in,
  MIN(start) AS first,
  MAX("end") AS last
FROM connections
WHERE start >= :from AND start < :to
  AND remote_port IN (53, 853) AND protocol IN (6, 17)
  AND (direction = 'outbound' OR direction IS NULL)
  AND NOT in_network(remote, :resolvers)
GROUP BY interface, instance, remote, direction, protocol, remote_port, action
ORDER BY connections DESC, interface, remote, direction NULLS LAST, protocol, port, action
LIMIT :limit
