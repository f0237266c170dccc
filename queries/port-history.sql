-- title: History of a port
-- question: Day by day, which interfaces had connections to this service port, in which direction, and how did they end?
--   Where the opener is unknown, direction is null and either port may be the service's.
-- columns:
--   day = of the connections
--   interface = ours
--   direction = inbound if it is our service, outbound if we used it elsewhere
--   verdict = of the connections
--   connections = that began on this day
--   remotes = distinct addresses of the other side
--   bytes_in = accepted, towards the interface
--   bytes_out = accepted, away from it
-- param: port (port) of the service
-- param: protocol (protocol) = tcp of the service
-- param: from (day) = 1970-01-01 first day
-- param: to (day) = 9999-12-31 last day
-- param: limit (count) = 500 most rows
-- tables: connections
SELECT
  dt AS day, interface, direction, verdict,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  COUNT(DISTINCT remote) AS remotes,
  SUM(bytes_in) AS bytes_in,
  SUM(bytes_out) AS bytes_out
FROM connections
WHERE dt >= :from AND dt <= :to AND protocol = :protocol
  AND ((direction = 'inbound' AND local_port = :port)
    OR (direction = 'outbound' AND remote_port = :port)
    OR (direction IS NULL AND (local_port = :port OR remote_port = :port)))
GROUP BY dt, interface, direction, verdict
ORDER BY day, interface, direction NULLS LAST, verdict
LIMIT :limit
