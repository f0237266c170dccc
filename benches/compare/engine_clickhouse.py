"""The smaller job in ClickHouse, as chdb: see engine.py and sql/clickhouse.sql."""

import json
import os
from pathlib import PurePath

from chdb.session import Session

import engine

# Addresses as IPv4, which the engine reads faster than text; it could not read logs with IPv6 so.
TYPES = {
    "srcaddr": "IPv4",
    "dstaddr": "IPv4",
    "srcport": "UInt16",
    "dstport": "UInt16",
    "protocol": "UInt8",
    "packets": "Int64",
    "bytes": "Int64",
    "start": "Int64",
    "end": "Int64",
}


def quoted(text) -> str:
    return "'" + str(text).replace("\\", "\\\\").replace("'", "\\'") + "'"


def values(rows, texts) -> str:
    cells = (", ".join(quoted(cell) if n in texts else str(cell) for n, cell in enumerate(row)) for row in rows)
    return ", ".join(f"({row})" for row in cells)


def prepare(files, columns, rules, addresses, sql):
    session = Session()

    def run(statement):
        answer = session.query(statement, "JSONCompactEachRow").bytes().decode()
        rows = (json.loads(line) for line in answer.splitlines())
        # Integers of 64 bits come as text.
        return [[row[0], *map(int, row[1:])] for row in rows]

    run(
        "CREATE TABLE rules (interface String, rule String, protocol Int16, port_lo UInt16, port_hi UInt16, ip_lo UInt32,"
        " ip_hi UInt32) ENGINE = Memory"
    )
    run("CREATE TABLE addresses (interface String, address IPv4) ENGINE = Memory")
    run(f"INSERT INTO rules VALUES {values(rules, {0, 1})}")
    run(f"INSERT INTO addresses VALUES {values(addresses, {0, 1})}")
    folder = os.path.commonpath([str(PurePath(file).parent) for file in files])
    names = ",".join(os.path.relpath(file, folder) for file in files)
    listed = f"{folder}/{{{names}}}" if len(files) > 1 else files[0]
    types = ", ".join(f"`{name}` {TYPES.get(name, 'String')}" for name in columns)
    sql["load"] = sql["load"].replace("$FILES", quoted(listed)).replace("$COLUMNS", quoted(types))
    return run


if __name__ == "__main__":
    engine.main("clickhouse", prepare)
