-- title: First contact of an address
-- question: When did this address first appear at each of our interfaces, on which service, and what let it in?
--   A row for an interface and service; a connection whose opener is unknown has direction and port null.
-- columns:
--   opened = first packet of the first connection
--   interface = ours
--   local = its address
--   direction = of the opener
--   protocol = its name or number
--   port = the service's
--   verdict = of the first connection
--   reason = of the verdict
--   rules = that permit it
-- param: address (address) of the other side
-- param: limit (count) = 50 most rows
-- tables: connections
WITH contacts AS (
  SELECT
    opened, start, interface, local, direction, protocol, verdict, reason, rules,
    local_port, remote_port,
    CASE direction WHEN 'inbound' THEN local_port WHEN 'outbound' THEN remote_port END AS port
  FROM connections
  WHERE remote = :address
), numbered AS (
  SELECT
    opened, interface, local, direction, protocol, port, verdict, reason, rules,
    ROW_NUMBER() OVER (
      PARTITION BY interface, direction, protocol, port
      ORDER BY opened, start, local, local_port, remote_port
    ) AS place
  FROM contacts
)
SELECT
  opened, interface, local, direction, protocol_name(protocol) AS protocol, port, verdict, reason,
  items(rules) AS rules
FROM numbered
WHERE place = 1
ORDER BY opened, interface, direction NULLS LAST, protocol, port NULLS LAST
LIMIT :limit
