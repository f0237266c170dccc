-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  interface, local, direction,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  local_port AS port,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  COUNT(*) FILTER (WHERE NOT continued AND verdict = 'escaped') AS escaped,
  COUNT(DISTINCT remote) AS remotes,
  SUM(bytes_out) AS bytes_out,
  MIN(start) AS "first",
  MAX("end") AS "last"
FROM connections
WHERE start >= :from AND start < :to
  AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
  AND action = 'accept' AND (direction = 'inbound' OR direction IS NULL)
  AND NOT regexp_like(remote, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|127\.|169\.254\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)')
GROUP BY interface, local, direction, protocol, local_port
ORDER BY remotes DESC, interface, local, direction NULLS LAST, protocol, port
LIMIT :limit
