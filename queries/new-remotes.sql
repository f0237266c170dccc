-- title: New addresses of a day
-- question: Which addresses of the other side appear on this day and on no day before it in the store?
-- columns:
--   remote = address
--   public = whether it is no private one
--   first = first packet
--   interfaces = distinct interfaces of ours
--   accepted = connections that were accepted
--   rejected = attempts that were rejected
--   bytes_in = received from it
--   bytes_out = sent to it
-- param: day (day) that is asked for
-- param: limit (count) = 200 most rows
-- tables: connections
-- no-insights: it would have to compare with all days before
WITH today AS (
  SELECT
    remote,
    MIN(start) AS first,
    COUNT(DISTINCT interface) AS interfaces,
    COUNT(*) FILTER (WHERE action = 'accept') AS accepted,
    COUNT(*) FILTER (WHERE action = 'reject') AS rejected,
    SUM(bytes_in) AS bytes_in,
    SUM(bytes_out) AS bytes_out
  FROM connections
  WHERE dt = :day
  GROUP BY remote
), known AS (
  SELECT DISTINCT remote AS address FROM connections WHERE dt < :day
)
SELECT
  today.remote, NOT is_private(today.remote) AS public, today.first, today.interfaces,
  today.accepted, today.rejected, today.bytes_in, today.bytes_out
FROM today LEFT JOIN known ON today.remote = known.address
WHERE known.address IS NULL
ORDER BY bytes_out DESC, remote
LIMIT :limit
