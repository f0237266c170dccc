-- Over the tables of the store in S3; docs/queries.md defines them.
WITH contacts AS (
  SELECT
    interface, remote, protocol, remote_port, opened, bytes_out,
    LAG(opened) OVER (
      PARTITION BY interface, remote, protocol, remote_port
      ORDER BY opened, local_port
    ) AS previous
  FROM connections
  WHERE start >= :from AND start < :to AND NOT continued
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
    AND direction = 'outbound' AND NOT regexp_like(remote, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|127\.|169\.254\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)')
), gaps AS (
  SELECT
    interface, remote, protocol, remote_port, opened, bytes_out,
    CAST(to_unixtime(opened) AS bigint) - CAST(to_unixtime(previous) AS bigint) AS gap
  FROM contacts
)
SELECT
  interface, remote,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  remote_port AS port,
  COUNT(*) AS connections,
  ROUND(AVG(gap), 1) AS mean_gap,
  ROUND(STDDEV(gap) / AVG(gap), 3) AS jitter,
  SUM(bytes_out) AS bytes_out,
  MIN(opened) AS "first",
  MAX(opened) AS "last"
FROM gaps
GROUP BY interface, remote, protocol, remote_port
HAVING COUNT(*) >= :least AND AVG(gap) >= :gap AND STDDEV(gap) <= :jitter * AVG(gap)
ORDER BY jitter, connections DESC, interface, remote, protocol, port
LIMIT :limit
