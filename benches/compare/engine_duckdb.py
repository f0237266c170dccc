"""The smaller job in DuckDB: see engine.py and sql/duckdb.sql."""

import duckdb

import engine

TYPES = {
    "srcport": "USMALLINT",
    "dstport": "USMALLINT",
    "protocol": "UTINYINT",
    "packets": "BIGINT",
    "bytes": "BIGINT",
    "start": "BIGINT",
    "end": "BIGINT",
}


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def prepare(files, columns, rules, addresses, sql):
    database = duckdb.connect(config={"threads": 2, "preserve_insertion_order": False})
    database.execute(
        "CREATE TABLE rules (interface VARCHAR, rule VARCHAR, protocol SMALLINT, port_lo INTEGER, port_hi INTEGER,"
        " ip_lo BIGINT, ip_hi BIGINT)"
    )
    database.execute("CREATE TABLE addresses (interface VARCHAR, address VARCHAR)")
    database.executemany("INSERT INTO rules VALUES (?, ?, ?, ?, ?, ?, ?)", rules)
    database.executemany("INSERT INTO addresses VALUES (?, ?)", addresses)
    types = ", ".join(f"{quoted(name)}: {quoted(TYPES.get(name, 'VARCHAR'))}" for name in columns)
    sql["load"] = sql["load"].replace("$FILES", "[" + ", ".join(map(quoted, files)) + "]")
    sql["load"] = sql["load"].replace("$COLUMNS", "{" + types + "}")
    return lambda statement: database.execute(statement).fetchall()


if __name__ == "__main__":
    engine.main("duckdb", prepare)
