-- title: Traffic between subnets and VPCs
-- question: Which subnets talk to which others of ours, on what, and how much?
--   The other side is found by its private address: where VPCs use the same addresses, a row may name several.
--   Where the opener is unknown, direction and port are null.
-- columns:
--   vpc = of the interface whose logs tell it
--   subnet = of that interface
--   remote_vpc = of the other side
--   remote_subnet = of the other side
--   direction = of the opener, from the view of the interface
--   protocol = its name or number
--   port = the service's
--   accepted = connections that were accepted
--   rejected = attempts that were rejected
--   bytes_in = accepted, towards the interface
--   bytes_out = accepted, away from it
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: vpc (vpc) = null only interfaces of this VPC
-- param: limit (count) = 200 most rows
-- tables: connections, interfaces
-- no-insights: the default format does not name subnets
WITH listed AS (
  SELECT unnest(addresses) AS address, vpc, subnet FROM interfaces
), places AS (
  SELECT DISTINCT address, vpc AS remote_vpc, subnet AS remote_subnet FROM listed
), told AS (
  SELECT
    vpc, subnet, remote, direction, protocol, action, continued, bytes_in, bytes_out,
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE start >= :from AND start < :to AND (:vpc IS NULL OR vpc = :vpc) AND is_private(remote)
)
SELECT
  told.vpc, told.subnet, places.remote_vpc, places.remote_subnet, told.direction,
  protocol_name(told.protocol) AS protocol, told.port,
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
