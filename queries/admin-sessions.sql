-- title: SSH and RDP sessions by length
-- question: Who had how long a session over SSH or RDP, and which rules permit it?
--   Only accepted ones. Where the opener is unknown, direction is null and either port may be the service's.
-- columns:
--   opened = first packet of the session
--   last = last packet in this time
--   seconds = between them
--   interface = ours
--   local = its address
--   remote = address of the other side
--   direction = of the opener
--   port = 22 or 3389
--   bytes_in = accepted, towards the interface
--   bytes_out = accepted, away from it
--   verdict = of the connection
--   rules = that permit it
-- param: longer (duration) = 0s at least this long
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
WITH sessions AS (
  SELECT
    opened, "end", interface, local, remote, direction, local_port, remote_port,
    CASE
      WHEN direction = 'outbound' THEN remote_port
      WHEN direction = 'inbound' OR local_port IN (22, 3389) THEN local_port
      ELSE remote_port
    END AS port,
    bytes_in, bytes_out, verdict, items(rules) AS rules
  FROM connections
  WHERE start >= :from AND start < :to AND protocol = 6 AND action = 'accept'
), sums AS (
  SELECT
    opened, MAX("end") AS last,
    interface, local, remote, direction, port, local_port, remote_port,
    SUM(bytes_in) AS bytes_in,
    SUM(bytes_out) AS bytes_out,
    verdict, rules
  FROM sessions
  WHERE port IN (22, 3389)
  GROUP BY
    opened, interface, local, remote, direction, port, local_port, remote_port, verdict, rules
)
SELECT
  opened, last, epoch(last) - epoch(opened) AS seconds,
  interface, local, remote, direction, port, bytes_in, bytes_out, verdict, rules
FROM sums
WHERE epoch(last) - epoch(opened) >= :longer
ORDER BY seconds DESC, opened, interface, local, remote, local_port, remote_port
LIMIT :limit
