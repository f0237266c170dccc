-- Over the tables of the store in S3; docs/queries.md defines them.
SELECT
  dt AS day, interface, records, nodata, skipdata, covered_seconds, longest_gap_seconds, "first", "last"
FROM coverage
WHERE dt >= :from AND dt <= :to AND (skipdata > 0 OR longest_gap_seconds >= :gap)
ORDER BY dt, longest_gap_seconds DESC, interface
LIMIT :limit
