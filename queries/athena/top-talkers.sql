-- Over the records themselves, in vpc_flow_logs as AWS documents it (partitions by "date"): no store is needed.
-- Records do not say which address is the interface's; bytes are those of both directions.
SELECT
  interface_id,
  least(srcaddr, dstaddr) AS one,
  greatest(srcaddr, dstaddr) AS other,
  COUNT(*) AS records,
  SUM(packets) AS packets,
  SUM(bytes) AS bytes,
  from_unixtime(MIN(start)) AS first,
  from_unixtime(MAX("end")) AS last
FROM vpc_flow_logs
WHERE start >= to_unixtime(:from) AND start < to_unixtime(:to)
  AND "date" >= CAST(:from AS date) AND "date" <= CAST(:to AS date) + INTERVAL '1' DAY
  AND log_status = 'OK'
  AND action = 'ACCEPT' AND (:interface IS NULL OR interface_id = :interface)
GROUP BY interface_id, least(srcaddr, dstaddr), greatest(srcaddr, dstaddr)
ORDER BY bytes DESC, interface_id, one, other
LIMIT :limit
