-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  interface, local, remote,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  verdict, reason,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(bytes_in) AS bytes_in,
  SUM(bytes_out) AS bytes_out,
  MIN(start) AS "first",
  MAX("end") AS "last"
FROM connections
WHERE direction IS NULL AND start >= :from AND start < :to
  AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
GROUP BY interface, local, remote, protocol, verdict, reason
ORDER BY connections DESC, interface, local, remote, protocol, verdict, reason
LIMIT :limit
