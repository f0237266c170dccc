-- Over `connections` of the store, put into S3 and made a table partitioned by dt (docs/store.md).
SELECT
  interface,
  local,
  remote,
  count_if(NOT continued) AS connections,
  sum(bytes_in) AS bytes_in,
  sum(bytes_out) AS bytes_out
FROM connections
WHERE dt BETWEEN :from AND :to
GROUP BY interface, local, remote
ORDER BY sum(bytes_in) + sum(bytes_out) DESC, interface, local, remote
LIMIT :limit
