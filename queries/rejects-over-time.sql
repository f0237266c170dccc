-- title: Rejects over time
-- question: How many attempts were rejected in each 5 minutes, and who tried the most?
-- columns:
--   start = begin of the 5 minutes
--   interface = where
--   attempts = number of them
--   packets = rejected
--   services = distinct protocols, ports and directions
--   top_remote = the address with the most attempts at one service
--   top_remote_attempts = its attempts there
-- param: interface (interface) = null only this interface
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 500 most rows
-- tables: rejects
WITH ranked AS (
  SELECT
    start, interface, attempts, packets, protocol, port, direction, top_remote, top_remote_attempts,
    ROW_NUMBER() OVER (
      PARTITION BY interface, start
      ORDER BY 0 - top_remote_attempts, top_remote, protocol, port, direction, reason
    ) AS place
  FROM rejects
  WHERE start >= :from AND start < :to AND (:interface IS NULL OR interface = :interface)
)
SELECT
  start, interface,
  SUM(attempts) AS attempts,
  SUM(packets) AS packets,
  COUNT(*) AS services,
  MAX(CASE WHEN place = 1 THEN top_remote END) AS top_remote,
  MAX(CASE WHEN place = 1 THEN top_remote_attempts END) AS top_remote_attempts
FROM ranked
GROUP BY start, interface
ORDER BY start, interface
LIMIT :limit
