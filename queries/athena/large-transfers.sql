-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  opened, MAX("end") AS "last", interface, instance, local, remote, direction,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port,
  verdict, SUM(bytes_out) AS bytes_out, SUM(bytes_in) AS bytes_in
FROM connections
WHERE start >= :from AND start < :to AND NOT regexp_like(remote, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|127\.|169\.254\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)')
  AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
GROUP BY
  opened, interface, instance, local, remote, direction, protocol, local_port, remote_port, verdict
HAVING SUM(bytes_out) >= :bytes
ORDER BY bytes_out DESC, opened, interface, remote, protocol, port NULLS LAST
LIMIT :limit
