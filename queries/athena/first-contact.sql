-- Over `connections` of the store, put into S3 and made a table partitioned by dt (docs/store.md).
SELECT
  interface,
  min(opened) AS first,
  max("end") AS last,
  min_by(direction, (opened, local_port, remote_port, protocol, start)) AS direction,
  min_by(action, (opened, local_port, remote_port, protocol, start)) AS action,
  count_if(NOT continued) AS connections
FROM connections
WHERE remote = :address
GROUP BY interface
ORDER BY first, interface
