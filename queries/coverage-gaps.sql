-- title: Gaps in the logs
-- question: For which interfaces and days do the logs say too little: records lost, or a long time that nothing speaks for?
--   What the logs do not cover, no other question can tell.
-- columns:
--   day = of the records
--   interface = that the records are of
--   records = of the day
--   nodata = NODATA rows: nothing happened
--   skipdata = SKIPDATA rows: records were lost
--   covered_seconds = of the day: 600 for each 10 minutes that some record or NODATA row touches
--   longest_gap_seconds = longest stretch of such 10 minutes without any, between first and last
--   first = earliest start
--   last = latest end
-- param: gap (duration) = 20m this long is long
-- param: from (day) = 1970-01-01 first day
-- param: to (day) = 9999-12-31 last day
-- param: limit (count) = 200 most rows
-- tables: coverage
SELECT
  dt AS day, interface, records, nodata, skipdata, covered_seconds, longest_gap_seconds, first, last
FROM coverage
WHERE dt >= :from AND dt <= :to AND (skipdata > 0 OR longest_gap_seconds >= :gap)
ORDER BY dt, longest_gap_seconds DESC, interface
LIMIT :limit
