-- title: Candidates for lateral movement
-- question: Which private addresses tried administrative ports (SSH, Telnet, RPC, SMB, RDP, VNC, WinRM) of several others?
--   Both accepted and rejected attempts count, at whichever end logs them. Connections whose opener is unknown do not.
-- columns:
--   source = that opened the connections
--   targets = distinct addresses that it tried
--   reached = of these, those that accepted
--   ports = distinct ports
--   first = first attempt
--   last = start of the last one
-- param: targets (count) = 3 at least as many targets
-- param: from (time) = 1970-01-01 first time
-- param: to (time) = 9999-01-01 end: before this time
-- param: limit (count) = 50 most rows
-- tables: connections
WITH attempts AS (
  SELECT
    CASE WHEN direction = 'inbound' THEN remote ELSE local END AS source,
    CASE WHEN direction = 'inbound' THEN local ELSE remote END AS target,
    CASE WHEN direction = 'inbound' THEN local_port ELSE remote_port END AS port,
    action, opened
  FROM connections
  WHERE start >= :from AND start < :to AND NOT continued
    AND direction IS NOT NULL AND protocol = 6
    AND is_private(remote)
    AND is_private(local)
)
SELECT
  source,
  COUNT(DISTINCT target) AS targets,
  COUNT(DISTINCT CASE WHEN action = 'accept' THEN target END) AS reached,
  COUNT(DISTINCT port) AS ports,
  MIN(opened) AS first,
  MAX(opened) AS last
FROM attempts
WHERE port IN (22, 23, 135, 139, 445, 3389, 5900, 5985, 5986)
GROUP BY source
HAVING COUNT(DISTINCT target) >= :targets
ORDER BY targets DESC, source
LIMIT :limit
