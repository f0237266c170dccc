-- title: First contact of an address
-- question: When did each interface first exchange packets with this address, or reject them, and who opened it?
--   Where the opener can't be told, direction is null.
-- columns:
--   interface = ours
--   first = begin of the first connection
--   last = latest packet
--   direction = of the opener in the first connection; null if that can't be told
--   action = what happened to the first connection
--   connections = number of them; one over midnight counts once
-- param: address (address) of the other side
-- tables: connections
-- no-insights: it can't tell which record came first with what the others say
SELECT
  interface,
  MIN(opened) AS first,
  MAX("end") AS last,
  FIRST(direction) AS direction,
  FIRST(action) AS action,
  SUM(CASE WHEN continued THEN 0 ELSE 1 END) AS connections
FROM (
  SELECT * FROM connections
  WHERE remote = :address
  ORDER BY opened, local_port, remote_port, protocol, start
) AS ordered
GROUP BY interface
ORDER BY first, interface
