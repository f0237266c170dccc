-- title: Rejects by reason
-- question: What rejected how many attempts, at which interface and service?
-- columns:
--   reason = what rejected them
--   verdict = rejected, misdropped or not-evaluable
--   interface = where
--   direction = of the attempts, null if unknown
--   protocol = its name or number
--   port = the service's
--   attempts = number of them
--   packets = rejected
--   most_remotes = distinct addresses in the 5 minutes that had the most
--   first = begin of the first 5 minutes
--   last = begin of the last
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: interface (interface) = null only this interface
-- param: limit (count) = 100 most rows
-- tables: rejects
SELECT
  reason, verdict, interface, direction, protocol_name(protocol) AS protocol, port,
  SUM(attempts) AS attempts,
  SUM(packets) AS packets,
  MAX(remotes) AS most_remotes,
  MIN(start) AS first,
  MAX(start) AS last
FROM rejects
WHERE start >= :from AND start < :to AND (:interface IS NULL OR interface = :interface)
GROUP BY reason, verdict, interface, direction, protocol, port
ORDER BY attempts DESC, reason, verdict, interface, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
