-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  interface, instance, remote,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  remote_port AS port, reason,
  COUNT(*) FILTER (WHERE NOT continued) AS attempts,
  MIN(start) AS "first",
  MAX("end") AS "last"
FROM connections
WHERE action = 'reject' AND direction = 'outbound' AND reason <> 'late-packet'
  AND start >= :from AND start < :to AND (:interface IS NULL OR interface = :interface)
  AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
GROUP BY interface, instance, remote, protocol, remote_port, reason
ORDER BY attempts DESC, interface, remote, protocol, port, reason
LIMIT :limit
