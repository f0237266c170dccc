-- Over the tables of the store in S3; docs/queries.md defines them.
WITH today AS (
  SELECT
    remote,
    MIN(start) AS "first",
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
  today.remote, NOT regexp_like(today.remote, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|127\.|169\.254\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)') AS public, today."first", today.interfaces,
  today.accepted, today.rejected, today.bytes_in, today.bytes_out
FROM today LEFT JOIN known ON today.remote = known.address
WHERE known.address IS NULL
ORDER BY bytes_out DESC, remote
LIMIT :limit
