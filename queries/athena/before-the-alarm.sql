-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  start, "end", interface, direction, remote,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port,
  verdict, reason, bytes_in, bytes_out, array_join(rules, ', ') AS rules
FROM connections
WHERE instance = :instance
  AND start < :time AND CAST(to_unixtime("end") AS bigint) >= CAST(to_unixtime(:time) AS bigint) - :window
ORDER BY start DESC, interface, remote, protocol, local_port, remote_port, opened
LIMIT :limit
