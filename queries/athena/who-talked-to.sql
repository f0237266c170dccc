-- Over the records themselves, in vpc_flow_logs as AWS documents it (partitions by "date"): no store is needed.
-- Records do not say who opened the connection; port is the lower of both, which mostly is the service's.
WITH told AS (
  SELECT
    interface_id, protocol, action, bytes, start, "end",
    CASE srcaddr WHEN :address THEN dstaddr ELSE srcaddr END AS peer,
    least(srcport, dstport) AS port,
    srcaddr = :address AS sent
  FROM vpc_flow_logs
  WHERE start >= to_unixtime(:from) AND start < to_unixtime(:to)
    AND "date" >= CAST(:from AS date) AND "date" <= CAST(:to AS date) + INTERVAL '1' DAY
    AND log_status = 'OK'
    AND (srcaddr = :address OR dstaddr = :address)
)
SELECT
  interface_id, peer, protocol, port, action,
  COUNT(*) AS records,
  SUM(CASE WHEN sent THEN bytes ELSE 0 END) AS bytes_sent,
  SUM(CASE WHEN sent THEN 0 ELSE bytes END) AS bytes_received,
  from_unixtime(MIN(start)) AS "first",
  from_unixtime(MAX("end")) AS "last"
FROM told
GROUP BY interface_id, peer, protocol, port, action
ORDER BY "first", interface_id, peer, protocol, port, action
LIMIT :limit
