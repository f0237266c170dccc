-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  interface, instance, remote, direction,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  remote_port AS port, action,
  COUNT(*) FILTER (WHERE NOT continued) AS connections,
  SUM(bytes_out) AS bytes_out,
  SUM(bytes_in) AS bytes_in,
  MIN(start) AS "first",
  MAX("end") AS "last"
FROM connections
WHERE start >= :from AND start < :to
  AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
  AND remote_port IN (53, 853) AND protocol IN (6, 17)
  AND (direction = 'outbound' OR direction IS NULL)
  AND NOT any_match(split(:resolvers, ','), network -> contains(network, CAST(remote AS ipaddress)))
GROUP BY interface, instance, remote, direction, protocol, remote_port, action
ORDER BY connections DESC, interface, remote, direction NULLS LAST, protocol, port, action
LIMIT :limit
