-- title: Traffic with a list of networks
-- question: Which of our interfaces had to do with these networks, who opened the connections, and how did they end?
--   For a list of a provider, a country or a partner. Where the opener is unknown, direction and port are null.
-- columns:
--   interface = ours
--   remote = address of the other side
--   direction = of the opener
--   protocol = its name or number
--   port = the service's
--   verdict = of the connections
--   connections = that began in this time
--   bytes_in = accepted, towards the interface
--   bytes_out = accepted, away from it
--   first = first packet in this time
--   last = last packet
-- param: networks (networks) CIDRs or addresses
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 200 most rows
-- tables: connections
-- no-insights: its functions take one network, not a list
WITH told AS (
  SELECT
    interface, remote, direction, protocol, verdict, continued, bytes_in, bytes_out, start, "end",
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE in_network(remote, :networks) AND start >= :from AND start < :to
)
SELECT
  interface, remote, direction, protocol_name(protocol) AS protocol, port, verdict,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(bytes_in) AS bytes_in,
  SUM(bytes_out) AS bytes_out,
  MIN(start) AS first,
  MAX("end") AS last
FROM told
GROUP BY interface, remote, direction, protocol, port, verdict
ORDER BY bytes_out DESC, interface, remote, direction NULLS LAST, protocol, port NULLS LAST, verdict
LIMIT :limit
