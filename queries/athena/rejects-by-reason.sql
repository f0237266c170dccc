-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  reason, verdict, interface, direction,
  CASE protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(protocol AS varchar) END AS protocol,
  port,
  SUM(attempts) AS attempts,
  SUM(packets) AS packets,
  MAX(remotes) AS most_remotes,
  MIN(start) AS "first",
  MAX(start) AS "last"
FROM rejects
WHERE start >= :from AND start < :to AND (:interface IS NULL OR interface = :interface)
  AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
GROUP BY reason, verdict, interface, direction, protocol, port
ORDER BY attempts DESC, reason, verdict, interface, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
