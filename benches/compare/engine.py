"""What the two engines' jobs share: the same arguments, the same files, the same answer.

    engine_NAME.py LOGS RULES_CSV ADDRESSES_CSV ANSWER_JSON

Prints the seconds of the job alone: neither the start of Python nor the import of the engine nor the rules count.
"""

import csv
import gzip
import json
import re
import sys
import time
from pathlib import Path

RULE_COLUMNS = ["interface", "rule", "protocol", "port_lo", "port_hi", "ip_lo", "ip_hi"]


def statements(name: str) -> dict[str, str]:
    """The statements of a file, each under a line `-- NAME: what it does`."""
    text = (Path(__file__).parent / "sql" / f"{name}.sql").read_text()
    parts = re.split(r"^-- (load|rejects|rules):.*$", text, flags=re.MULTILINE)
    return {part: sql.strip().rstrip(";") for part, sql in zip(parts[1::2], parts[2::2])}


def header(path: str) -> list[str]:
    """Names of the columns, as the header line of a log tells them."""
    with gzip.open(path, "rt") as file:
        return [name.replace("-", "_") for name in file.readline().split()]


def main(name: str, prepare) -> None:
    """Runs the job. `prepare(files, columns, rules, addresses, statements)` gives a function that runs a statement."""
    logs, rules, addresses, answer = (Path(argument) for argument in sys.argv[1:5])
    files = sorted(str(path) for path in logs.rglob("*.log.gz"))
    sql = statements(name)
    with open(rules, newline="") as rules_file, open(addresses, newline="") as addresses_file:
        tables = list(csv.reader(rules_file)), list(csv.reader(addresses_file))
    run = prepare(files, header(files[0]), *tables, sql)
    began, cpu = time.perf_counter(), time.process_time()
    run(sql["load"])
    rejects = run(sql["rejects"])
    credited = run(sql["rules"])
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    found = {"rejects": [list(row) for row in rejects], "rules": [list(row) for row in credited]}
    answer.write_text(json.dumps({"seconds": seconds, "cpu": cpu, **found}))
    print(f"{seconds:.3f}")
