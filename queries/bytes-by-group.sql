-- title: Bytes by security group
-- question: How much did the interfaces of each security group send and receive, inside and to public addresses?
--   Groups are those that an interface was last seen with; one with several groups counts for each.
-- columns:
--   security_group = id, null for interfaces without groups, or that the inventory does not have
--   interfaces = distinct interfaces with traffic
--   connections = that began in this time
--   bytes_out_public = sent to public addresses
--   bytes_in_public = received from them
--   bytes_out_private = sent to private ones
--   bytes_in_private = received from them
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 100 most rows
-- tables: connections, interfaces
-- no-insights: flow logs do not name security groups
WITH told AS (
  SELECT interface, is_private(remote) AS inside, continued, bytes_in, bytes_out
  FROM connections
  WHERE start >= :from AND start < :to
), traffic AS (
  SELECT
    interface,
    COUNT(*) FILTER (WHERE NOT continued) AS connections,
    SUM(CASE WHEN inside THEN 0 ELSE bytes_out END) AS out_public,
    SUM(CASE WHEN inside THEN 0 ELSE bytes_in END) AS in_public,
    SUM(CASE WHEN inside THEN bytes_out ELSE 0 END) AS out_private,
    SUM(CASE WHEN inside THEN bytes_in ELSE 0 END) AS in_private
  FROM told
  GROUP BY interface
), newest AS (
  SELECT
    interface, security_groups,
    ROW_NUMBER() OVER (PARTITION BY interface ORDER BY seen_to DESC, seen_from DESC) AS place
  FROM interfaces
), members AS (
  SELECT interface, unnest(security_groups) AS security_group FROM newest WHERE place = 1
)
SELECT
  members.security_group,
  COUNT(*) AS interfaces,
  SUM(traffic.connections) AS connections,
  SUM(traffic.out_public) AS bytes_out_public,
  SUM(traffic.in_public) AS bytes_in_public,
  SUM(traffic.out_private) AS bytes_out_private,
  SUM(traffic.in_private) AS bytes_in_private
FROM traffic LEFT JOIN members ON traffic.interface = members.interface
GROUP BY members.security_group
ORDER BY bytes_out_public DESC, security_group NULLS LAST
LIMIT :limit
