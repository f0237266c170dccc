-- Over the tables of the store in S3; docs/queries.md defines them.
WITH refused AS (
  SELECT interface, remote, MIN(opened) AS first_rejected, COUNT(*) AS rejected
  FROM connections
  WHERE start >= :from AND start < :to AND NOT continued
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
    AND action = 'reject' AND direction = 'inbound' AND reason <> 'late-packet'
  GROUP BY interface, remote
), let_in AS (
  SELECT interface, remote, protocol, local_port, opened, continued, bytes_out
  FROM connections
  WHERE start >= :from AND start < :to AND action = 'accept' AND direction = 'inbound'
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
)
SELECT
  refused.interface, refused.remote, refused.first_rejected, refused.rejected,
  MIN(let_in.opened) AS first_accepted,
  CASE let_in.protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(let_in.protocol AS varchar) END AS protocol,
  let_in.local_port AS port,
  COUNT(*) FILTER (WHERE NOT let_in.continued) AS accepted,
  SUM(let_in.bytes_out) AS bytes_out
FROM refused
JOIN let_in ON refused.interface = let_in.interface AND refused.remote = let_in.remote
WHERE let_in.opened > refused.first_rejected
GROUP BY
  refused.interface, refused.remote, refused.first_rejected, refused.rejected,
  let_in.protocol, let_in.local_port
ORDER BY first_accepted, interface, remote, protocol, port
LIMIT :limit
