-- title: Who talked to an address
-- question: With whom did this address have connections, who opened them, on what service, and how did it end?
--   The address may be one of ours or any other. A connection between two interfaces whose logs are there is told by both.
-- columns:
--   interface = whose logs tell it
--   peer = address of the other side
--   opener = address if it opened the connections, peer if the other side did, null if that can't be told
--   protocol = its name or number
--   port = the service's, null if the opener is unknown
--   verdict = of the connections
--   connections = that began in this time
--   bytes_sent = accepted, from the address
--   bytes_received = accepted, to the address
--   first = first packet in this time
--   last = last packet
-- param: address (address) that is asked for
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
WITH told AS (
  SELECT
    interface, local AS peer, protocol, verdict, start, "end", continued,
    CASE direction WHEN 'inbound' THEN 'address' WHEN 'outbound' THEN 'peer' END AS opener,
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port,
    bytes_in AS sent, bytes_out AS received
  FROM connections
  WHERE remote = :address AND start >= :from AND start < :to
  UNION ALL
  SELECT
    interface, remote AS peer, protocol, verdict, start, "end", continued,
    CASE direction WHEN 'inbound' THEN 'peer' WHEN 'outbound' THEN 'address' END AS opener,
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port,
    bytes_out AS sent, bytes_in AS received
  FROM connections
  WHERE local = :address AND start >= :from AND start < :to
)
SELECT
  interface, peer, opener, protocol_name(protocol) AS protocol, port, verdict,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(sent) AS bytes_sent,
  SUM(received) AS bytes_received,
  MIN(start) AS first,
  MAX("end") AS last
FROM told
GROUP BY interface, peer, opener, protocol, port, verdict
ORDER BY first, interface, peer, opener NULLS LAST, protocol, port NULLS LAST, verdict
LIMIT :limit
