-- title: Scanners
-- question: Which addresses were rejected at many addresses or ports of ours, and was anything accepted from them?
--   Late packets are no attempts. Connections whose opener is unknown are left out.
-- columns:
--   remote = address of the other side
--   rejected = attempts that were rejected
--   addresses = distinct addresses of ours that it tried
--   ports = distinct ports that it tried
--   accepted = connections that were accepted
--   first = first attempt
--   last = start of the last one
-- param: least (count) = 10 at least as many addresses or ports
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 50 most rows
-- tables: connections
SELECT
  remote,
  COUNT(*) FILTER (WHERE action = 'reject') AS rejected,
  COUNT(DISTINCT CASE WHEN action = 'reject' THEN local END) AS addresses,
  COUNT(DISTINCT CASE WHEN action = 'reject' THEN local_port END) AS ports,
  COUNT(*) FILTER (WHERE action = 'accept') AS accepted,
  MIN(opened) AS first,
  MAX(opened) AS last
FROM connections
WHERE start >= :from AND start < :to AND NOT continued
  AND direction = 'inbound' AND reason <> 'late-packet'
GROUP BY remote
HAVING COUNT(DISTINCT CASE WHEN action = 'reject' THEN local END) >= :least
  OR COUNT(DISTINCT CASE WHEN action = 'reject' THEN local_port END) >= :least
ORDER BY rejected DESC, remote
LIMIT :limit
