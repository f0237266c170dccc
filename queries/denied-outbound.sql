-- title: Attempts to get out that were rejected
-- question: Which of our interfaces tried to reach what, and was stopped by what?
--   A host that tries what its rules forbid is misconfigured, or somebody else uses it. Late packets are no attempts.
--   Attempts whose opener is unknown are left out.
-- columns:
--   interface = ours
--   instance = that it is attached to
--   remote = address of the other side
--   protocol = its name or number
--   port = the service's
--   reason = what rejected it
--   attempts = number of them
--   first = first packet in this time
--   last = last packet
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: interface (interface) = null only this interface
-- param: limit (count) = 100 most rows
-- tables: connections
SELECT
  interface, instance, remote, protocol_name(protocol) AS protocol, remote_port AS port, reason,
  COUNT(*) FILTER (WHERE NOT continued) AS attempts,
  MIN(start) AS first,
  MAX("end") AS last
FROM connections
WHERE action = 'reject' AND direction = 'outbound' AND reason <> 'late-packet'
  AND start >= :from AND start < :to AND (:interface IS NULL OR interface = :interface)
GROUP BY interface, instance, remote, protocol, remote_port, reason
ORDER BY attempts DESC, interface, remote, protocol, port, reason
LIMIT :limit
