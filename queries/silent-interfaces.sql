-- title: Interfaces without logs
-- question: Of which interfaces of the inventory is there no record in this time, not even NODATA?
--   Their VPC or subnet may have no flow log, or it is delivered elsewhere.
-- columns:
--   interface = id
--   vpc = its VPC
--   subnet = its subnet
--   instance = that it is attached to
--   kind = its type
--   name = its tag Name
--   security_groups = ids
-- param: from (day) = 1970-01-01 first day
-- param: to (day) = 9999-12-31 last day
-- param: limit (count) = 500 most rows
-- tables: interfaces, coverage
-- no-insights: flow logs do not name interfaces that they lack
WITH logged AS (
  SELECT DISTINCT interface FROM coverage WHERE dt >= :from AND dt <= :to
)
SELECT
  interfaces.interface, interfaces.vpc, interfaces.subnet, interfaces.instance, interfaces.kind,
  interfaces.name, items(interfaces.security_groups) AS security_groups
FROM interfaces LEFT JOIN logged ON interfaces.interface = logged.interface
WHERE logged.interface IS NULL AND interfaces.in_inventory AND interfaces.gone_by IS NULL
ORDER BY vpc, subnet, interface
LIMIT :limit
