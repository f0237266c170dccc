-- title: Rejected, then accepted
-- question: Which addresses were rejected at an interface and later let in there, and on which service?
--   Late packets are no attempts. Connections whose opener is unknown are left out.
-- columns:
--   interface = ours
--   remote = address of the other side
--   first_rejected = its first attempt that was rejected
--   rejected = attempts that were
--   first_accepted = its first connection after that
--   protocol = of the accepted ones, its name or number
--   port = local port of the accepted ones
--   accepted = connections after the first reject
--   bytes_out = sent to it
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections
-- no-insights: it would have to join rejects and accepts
WITH refused AS (
  SELECT interface, remote, MIN(opened) AS first_rejected, COUNT(*) AS rejected
  FROM connections
  WHERE start >= :from AND start < :to AND NOT continued
    AND action = 'reject' AND direction = 'inbound' AND reason <> 'late-packet'
  GROUP BY interface, remote
), let_in AS (
  SELECT interface, remote, protocol, local_port, opened, continued, bytes_out
  FROM connections
  WHERE start >= :from AND start < :to AND action = 'accept' AND direction = 'inbound'
)
SELECT
  refused.interface, refused.remote, refused.first_rejected, refused.rejected,
  MIN(let_in.opened) AS first_accepted,
  protocol_name(let_in.protocol) AS protocol, let_in.local_port AS port,
  COUNT(*) FILTER (WHERE NOT let_in.continued) AS accepted,
  SUM(let_in.bytes_out) AS bytes_out
FROM refused
JOIN let_in ON refused.interface = let_in.interface AND refused.remote = let_in.remote
WHERE let_in.opened > refused.first_rejected
GROUP BY
  refused.interface, refused.remote, refused.first_rejected, refused.rejected,
  let_in.protocol, let_in.local_port
ORDER BY first_accepted, interface, remote, protocol, port
LIMIT :limit
