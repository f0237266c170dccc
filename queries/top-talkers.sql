-- title: Top talkers
-- question: Which pairs of addresses exchanged the most bytes, over all services and both ways?
--   Only what was accepted counts.
-- columns:
--   interface = ours
--   local = address at the interface
--   remote = address of the other side
--   connections = number of them; one over midnight counts once
--   bytes_in = towards the interface
--   bytes_out = away from the interface
-- param: from (day) = 1970-01-01 first day (UTC)
-- param: to (day) = 9999-12-31 last day
-- param: limit (count) = 20 most rows
-- tables: connections
SELECT
  interface,
  local,
  remote,
  SUM(CASE WHEN continued THEN 0 ELSE 1 END) AS connections,
  SUM(bytes_in) AS bytes_in,
  SUM(bytes_out) AS bytes_out
FROM connections
WHERE dt BETWEEN :from AND :to
GROUP BY interface, local, remote
ORDER BY SUM(bytes_in) + SUM(bytes_out) DESC, interface, local, remote
LIMIT :limit
