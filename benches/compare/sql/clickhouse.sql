-- What benches/compare/engine_clickhouse.py runs. $FILES and $COLUMNS are filled in; the tables rules and addresses are made before.
-- load: one pass over the files; only the columns that the questions need are kept
CREATE TABLE logs ENGINE = Memory AS
SELECT interface_id, srcaddr, dstaddr, dstport, protocol, start, action
FROM file($FILES, 'CSV', $COLUMNS)
SETTINGS max_threads = 2, format_csv_delimiter = ' ', input_format_csv_skip_first_lines = 1,
         input_format_csv_allow_whitespace_or_tab_as_delimiter = 1, format_csv_null_representation = '-',
         input_format_null_as_default = 1;
-- rejects: rejected records of an interface in five minutes
SELECT interface_id, intDiv(start, 300) * 300 AS five_minutes, count() AS records
FROM logs
WHERE action = 'REJECT'
GROUP BY ALL
ORDER BY ALL
SETTINGS max_threads = 2;
-- rules: accepted records that came in, by rule; replies count as well, for nothing is paired
SELECT rule, sum(records) AS records
FROM (
    SELECT interface_id, toUInt32(srcaddr) AS ip, dstport, protocol, count() AS records
    FROM logs
    WHERE action = 'ACCEPT' AND (interface_id, dstaddr) IN (SELECT interface, address FROM addresses)
    GROUP BY ALL
) AS accepted
JOIN rules ON rules.interface = accepted.interface_id AND accepted.ip >= rules.ip_lo AND accepted.ip <= rules.ip_hi
WHERE (rules.protocol = -1 OR rules.protocol = accepted.protocol)
    AND accepted.dstport BETWEEN rules.port_lo AND rules.port_hi
GROUP BY rule
ORDER BY rule
SETTINGS max_threads = 2;
