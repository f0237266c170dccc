-- What benches/compare/engine_duckdb.py runs. $FILES and $COLUMNS are filled in; the tables rules and addresses are made before.
-- load: one pass over the files; only the columns that the questions need are kept
CREATE TEMP TABLE logs AS
SELECT interface_id, srcaddr, dstaddr, dstport, protocol, start, action
FROM read_csv($FILES, auto_detect = false, header = false, skip = 1, delim = ' ', quote = '', escape = '',
              nullstr = '-', columns = $COLUMNS);
-- rejects: rejected records of an interface in five minutes
SELECT interface_id, start // 300 * 300 AS five_minutes, count(*) AS records
FROM logs
WHERE action = 'REJECT'
GROUP BY ALL
ORDER BY ALL;
-- rules: accepted records that came in, by rule; replies count as well, for nothing is paired
WITH accepted AS (
    SELECT interface_id, srcaddr, dstport, protocol, count(*) AS records
    FROM logs
    WHERE action = 'ACCEPT' AND (interface_id, dstaddr) IN (SELECT interface, address FROM addresses)
    GROUP BY ALL
), numbered AS (
    SELECT *, split_part(srcaddr, '.', 1)::BIGINT * 16777216 + split_part(srcaddr, '.', 2)::BIGINT * 65536
            + split_part(srcaddr, '.', 3)::BIGINT * 256 + split_part(srcaddr, '.', 4)::BIGINT AS ip
    FROM accepted
)
SELECT rule, sum(records)::BIGINT AS records
FROM numbered
JOIN rules ON rules.interface = numbered.interface_id
    AND (rules.protocol = -1 OR rules.protocol = numbered.protocol)
    AND numbered.dstport BETWEEN rules.port_lo AND rules.port_hi
    AND numbered.ip BETWEEN rules.ip_lo AND rules.ip_hi
GROUP BY ALL
ORDER BY ALL;
