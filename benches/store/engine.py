"""DuckDB's side of benches/store/run.py: the same rows in plain files, and the same lookups.

    engine.py plain STORE OUT        a file for each day, in the order of time, as DuckDB writes it
    engine.py look FOLDER COLUMN,… [COLUMN=VALUE | COLUMN=FROM..TO]…

Prints what it found and the seconds of the query alone: neither the start of Python nor the import counts.
"""

import json
import sys
import time
from pathlib import Path

import duckdb

TEXTS = {"interface", "local", "remote", "direction", "verdict", "reason"}
TIMES = {"opened", "start", "end"}


def connect():
    return duckdb.connect(config={"threads": 2})


def plain(store: Path, out: Path) -> None:
    """No bloom filters, row groups as they come, zstd."""
    database = connect()
    for day in sorted((store / "connections").iterdir()):
        (out / "connections" / day.name).mkdir(parents=True)
        database.execute(
            f"""COPY (SELECT * FROM read_parquet('{day}/*.parquet', hive_partitioning = false) ORDER BY start)
            TO '{out}/connections/{day.name}/all.parquet' (FORMAT parquet, COMPRESSION zstd, WRITE_BLOOM_FILTER false)"""
        )


def value(column: str) -> str:
    """What `look` of benches/store/look.rs sums up of it."""
    if column in TEXTS:
        return f'strlen("{column}")'
    if column in TIMES:
        return f"epoch_us(\"{column}\") // 1000000"
    return f'len("{column}")' if column == "rules" else f'"{column}"'


def condition(want: str) -> str:
    column, asked = want.split("=", 1)
    if ".." in asked:
        begin, end = (int(second) * 1_000_000 for second in asked.split(".."))
        days = f"dt BETWEEN make_timestamp({begin})::DATE AND make_timestamp({end})::DATE AND "
        return f"{days}\"{column}\" BETWEEN make_timestamp({begin}) AND make_timestamp({end + 999_999})"
    return f"list_contains(rules, '{asked}')" if column == "rules" else f"\"{column}\" = '{asked}'"


def look(folder: Path, columns: str, wants: list[str]) -> None:
    database = connect()
    sums = " + ".join(f"coalesce(sum({value(column)}), 0)::HUGEINT" for column in columns.split(","))
    conditions = " AND ".join(map(condition, wants))
    query = f"""SELECT count(*), {sums}
        FROM read_parquet('{folder}/connections/*/*.parquet', hive_partitioning = true) WHERE {conditions}"""
    began, cpu = time.perf_counter(), time.process_time()
    rows, total = database.execute(query).fetchall()[0]
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"rows": rows, "sum": str(total), "seconds": seconds, "cpu": cpu}))


if __name__ == "__main__":
    if sys.argv[1] == "plain":
        plain(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        look(Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
