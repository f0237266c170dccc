-- Over the records themselves, in vpc_flow_logs as AWS documents it (partitions by "date"): no store is needed.
-- Records do not say who opened the connection; port is the lower of both, which mostly is the service's.
WITH told AS (
  SELECT
    interface_id, protocol, action, packets, bytes, start, "end",
    least(srcport, dstport) AS port,
    CASE
      WHEN any_match(split(:networks, ','), network -> contains(network, CAST(srcaddr AS ipaddress)))
      THEN 'received' ELSE 'sent'
    END AS way,
    srcaddr, dstaddr
  FROM vpc_flow_logs
  WHERE start >= to_unixtime(:from) AND start < to_unixtime(:to)
    AND "date" >= CAST(:from AS date) AND "date" <= CAST(:to AS date) + INTERVAL '1' DAY
    AND log_status = 'OK'
    AND any_match(
      split(:networks, ','),
      network -> contains(network, CAST(srcaddr AS ipaddress))
        OR contains(network, CAST(dstaddr AS ipaddress)))
)
SELECT
  interface_id,
  CASE way WHEN 'received' THEN srcaddr ELSE dstaddr END AS remote,
  protocol, port, action,
  COUNT(*) AS records,
  SUM(CASE way WHEN 'received' THEN bytes ELSE 0 END) AS bytes_in,
  SUM(CASE way WHEN 'sent' THEN bytes ELSE 0 END) AS bytes_out,
  from_unixtime(MIN(start)) AS "first",
  from_unixtime(MAX("end")) AS "last"
FROM told
GROUP BY interface_id, CASE way WHEN 'received' THEN srcaddr ELSE dstaddr END, protocol, port, action
ORDER BY bytes_out DESC, interface_id, remote, protocol, port, action
LIMIT :limit
