-- title: Top talkers
-- question: Which pairs of addresses moved the most bytes, whoever opened their connections?
-- columns:
--   interface = ours
--   local = its address
--   remote = address of the other side
--   connections = that began in this time
--   bytes_in = accepted, towards the interface
--   bytes_out = accepted, away from it
--   bytes = both
--   first = first packet in this time
--   last = last packet
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: interface (interface) = null only this interface
-- param: limit (count) = 20 most rows
-- tables: connections
SELECT
  interface, local, remote,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(bytes_in) AS bytes_in,
  SUM(bytes_out) AS bytes_out,
  SUM(bytes_in + bytes_out) AS bytes,
  MIN(start) AS first,
  MAX("end") AS last
FROM connections
WHERE start >= :from AND start < :to
  AND (:interface IS NULL OR interface = :interface)
GROUP BY interface, local, remote
ORDER BY bytes DESC, interface, local, remote
LIMIT :limit
