-- Over the tables of the store in S3; docs/queries.md defines them.
WITH logged AS (
  SELECT DISTINCT interface FROM coverage WHERE dt >= :from AND dt <= :to
)
SELECT
  interfaces.interface, interfaces.vpc, interfaces.subnet, interfaces.instance, interfaces.kind,
  interfaces.name, array_join(interfaces.security_groups, ', ') AS security_groups
FROM interfaces LEFT JOIN logged ON interfaces.interface = logged.interface
WHERE logged.interface IS NULL AND interfaces.in_inventory AND interfaces.gone_by IS NULL
ORDER BY vpc, subnet, interface
LIMIT :limit
