-- Over the tables of the store in S3; docs/queries.md defines them.
WITH sessions AS (
  SELECT
    opened, "end", interface, local, remote, direction, local_port, remote_port,
    CASE
      WHEN direction = 'outbound' THEN remote_port
      WHEN direction = 'inbound' OR local_port IN (22, 3389) THEN local_port
      ELSE remote_port
    END AS port,
    bytes_in, bytes_out, verdict, array_join(rules, ', ') AS rules
  FROM connections
  WHERE start >= :from AND start < :to AND protocol = 6 AND action = 'accept'
    AND dt >= CAST(:from AS date) AND dt <= CAST(:to AS date)
), sums AS (
  SELECT
    opened, MAX("end") AS "last",
    interface, local, remote, direction, port, local_port, remote_port,
    SUM(bytes_in) AS bytes_in,
    SUM(bytes_out) AS bytes_out,
    verdict, rules
  FROM sessions
  WHERE port IN (22, 3389)
  GROUP BY
    opened, interface, local, remote, direction, port, local_port, remote_port, verdict, rules
)
SELECT
  opened, "last", CAST(to_unixtime("last") AS bigint) - CAST(to_unixtime(opened) AS bigint) AS seconds,
  interface, local, remote, direction, port, bytes_in, bytes_out, verdict, rules
FROM sums
WHERE CAST(to_unixtime("last") AS bigint) - CAST(to_unixtime(opened) AS bigint) >= :longer
ORDER BY seconds DESC, opened, interface, local, remote, local_port, remote_port
LIMIT :limit
