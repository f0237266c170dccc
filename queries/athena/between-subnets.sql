-- Over the tables of the store in S3; docs/queries.md defines them.
WITH listed AS (
  SELECT address, vpc, subnet FROM interfaces CROSS JOIN UNNEST(addresses) AS has (address)
), places AS (
  SELECT DISTINCT address, vpc AS remote_vpc, subnet AS remote_subnet FROM listed
), told AS (
  SELECT
    vpc, subnet, remote, direction, protocol, action, continued, bytes_in, bytes_out,
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE start >= :from AND start < :to AND (:vpc IS NULL OR vpc = :vpc) AND regexp_like(remote, '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.|127\.|169\.254\.|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)')
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
)
SELECT
  told.vpc, told.subnet, places.remote_vpc, places.remote_subnet, told.direction,
  CASE told.protocol WHEN 1 THEN 'icmp' WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' ELSE CAST(told.protocol AS varchar) END AS protocol,
  told.port,
  COUNT(*) FILTER (WHERE told.action = 'accept' AND NOT told.continued) AS accepted,
  COUNT(*) FILTER (WHERE told.action = 'reject' AND NOT told.continued) AS rejected,
  SUM(told.bytes_in) AS bytes_in,
  SUM(told.bytes_out) AS bytes_out
FROM told JOIN places ON told.remote = places.address
WHERE told.vpc <> places.remote_vpc OR told.subnet <> places.remote_subnet
GROUP BY
  told.vpc, told.subnet, places.remote_vpc, places.remote_subnet, told.direction, told.protocol, told.port
ORDER BY
  vpc, subnet, remote_vpc, remote_subnet, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
