-- title: Regular contacts
-- question: Which public addresses did an interface contact again and again at nearly the same interval?
--   flowgate analyze has a detector that also weighs gaps and sizes; this is the plain figure.
--   Connections whose opener is unknown are left out.
-- columns:
--   interface = ours
--   remote = address of the other side
--   protocol = its name or number
--   port = the service's
--   connections = that began in this time
--   mean_gap = seconds between two of them, on average
--   jitter = standard deviation of the gaps, divided by their mean
--   bytes_out = sent
--   first = first one
--   last = last one
-- param: least (count) = 10 at least as many connections
-- param: jitter (number) = 0.2 at most this much
-- param: gap (duration) = 30s at least this far apart on average
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 50 most rows
-- tables: connections
-- no-insights: it can't compare a record with the one before
WITH contacts AS (
  SELECT
    interface, remote, protocol, remote_port, opened, bytes_out,
    LAG(opened) OVER (
      PARTITION BY interface, remote, protocol, remote_port
      ORDER BY opened, local_port
    ) AS previous
  FROM connections
  WHERE start >= :from AND start < :to AND NOT continued
    AND direction = 'outbound' AND NOT is_private(remote)
), gaps AS (
  SELECT
    interface, remote, protocol, remote_port, opened, bytes_out,
    epoch(opened) - epoch(previous) AS gap
  FROM contacts
)
SELECT
  interface, remote, protocol_name(protocol) AS protocol, remote_port AS port,
  COUNT(*) AS connections,
  ROUND(AVG(gap), 1) AS mean_gap,
  ROUND(STDDEV(gap) / AVG(gap), 3) AS jitter,
  SUM(bytes_out) AS bytes_out,
  MIN(opened) AS first,
  MAX(opened) AS last
FROM gaps
GROUP BY interface, remote, protocol, remote_port
HAVING COUNT(*) >= :least AND AVG(gap) >= :gap AND STDDEV(gap) <= :jitter * AVG(gap)
ORDER BY jitter, connections DESC, interface, remote, protocol, port
LIMIT :limit
