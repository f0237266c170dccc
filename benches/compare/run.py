#!/usr/bin/env python3
"""Measures flowgate beside the floor and beside two engines, and draws how it grows: docs/benchmarks.md.

    benches/compare/run.py                        # everything but --huge, some ten minutes on two cores
    benches/compare/run.py --only growth --huge   # time and memory up to 100 million records
    benches/compare/run.py --draw                 # tables and picture again, from the figures in docs/benchmarks/

Needs Rust, Python 3.10 or later and, for the engines, a package index to install them from. Nothing is written into the
clone but docs/benchmarks.md, docs/benchmarks/ and README.md's table; data and the engines' environment go below --cache.
"""

import argparse
import csv
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

# Nothing is left in the clone.
sys.dont_write_bytecode = True

import picture
import tables
from flatten import flatten
from measure import HERE, ROOT, THREADS, Data, Failed, Run, Tools, cache, cargo, engines, machine, own_peak, say, timed

SECTIONS = ("comparison", "ingest", "startup", "growth", "judge", "rules")
SIZES = (10, 100, 1_000, 10_000, 100_000)
# What does not grow while the other does.
FIXED = 1_000
PER_FILE = 200_000


def analyze(tools: Tools, inputs: list, inventory: Path, expected: int, scratch: Path, *more: str) -> Run:
    """A whole run, with everything that it writes; the lines it read must be those that were made."""
    out = scratch / "out"
    shutil.rmtree(out, ignore_errors=True)
    flags = ["--quiet", "--fail-on", "never", "--threads", THREADS, "--out", out, *more]
    measured = timed([tools.flowgate, "analyze", *inputs, "--inventory", inventory, *flags])
    tally = json.loads((out / "summary.json").read_text())["tally"]
    # The generator fills the last interval.
    if not expected <= tally["lines"] <= expected * 1.02 or tally["malformed"]:
        raise Failed(f"{tally['lines']} lines read, {tally['malformed']} malformed, {expected} made")
    return measured


def comparison(options, tools: Tools, data: Data, scratch: Path) -> dict:
    """In turn within each round: the floor, flowgate, and the engines as long as their rounds last."""
    python = None if options.no_engines else engines(cache(options.cache))
    worlds = {form: data.make(options.records, form) for form in ("v2", "v5", "parquet")}
    formats: dict = {form: {} for form in worlds}
    answers: dict = {}

    def note(form, step, run: Run):
        runs = formats[form].setdefault(step, {"seconds": [], "cpu": [], "peak_kb": []})
        runs["seconds"].append(round(run.seconds, 3))
        runs["cpu"].append(round(run.cpu, 3))
        runs["peak_kb"].append(run.peak_kb)
        say(f"  {form:8}{step:11}{shown(run)}")

    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        for form, world in worlds.items():
            logs, inventory = world / "AWSLogs", world / "inventory"
            if form == "parquet":
                note(form, "columns", timed([tools.columns, logs, THREADS]))
            else:
                note(form, "inflate", timed([tools.inflate, logs, THREADS]))
                files = sorted(logs.rglob("*.gz"))
                listed = listing(files, scratch)
                note(form, "gzip", timed(["xargs", "-P", THREADS, "-n", "1", "-a", listed, "gzip", "-dc"]))
            note(form, "flowgate", analyze(tools, [logs], inventory, options.records, scratch))
            if python and form != "parquet" and number < options.engine_rounds:
                for engine in ("duckdb", "clickhouse"):
                    note(form, engine, job(python, engine, world, scratch, answers))
    return {"records": options.records, "rounds": options.rounds, "formats": formats}


def shown(run: Run) -> str:
    return f"{run.seconds:8.2f} s{run.cpu:8.2f} s CPU{run.peak_kb / 1000:8.0f} MB"


def middle(runs: list[Run]) -> dict:
    """Medians, as they are kept."""
    seconds, cpu, peak = (tables.median(values) for values in zip(*runs))
    return {"seconds": round(seconds, 3), "cpu": round(cpu, 3), "peak_kb": round(peak)}


def listing(files: list[Path], scratch: Path) -> Path:
    path = scratch / "files"
    path.write_text("".join(f"{file}\n" for file in files))
    return path


def job(python: Path, engine: str, world: Path, scratch: Path, answers: dict) -> Run:
    """The engine's own seconds and CPU, and the peak of its process. The answers of the engines must be the same."""
    rules, addresses, answer = scratch / "rules.csv", scratch / "addresses.csv", scratch / "answer.json"
    for path, rows in zip((rules, addresses), flatten(world / "inventory")):
        with open(path, "w", newline="") as file:
            csv.writer(file).writerows(rows)
    whole = timed([python, "-B", HERE / f"engine_{engine}.py", world / "AWSLogs", rules, addresses, answer])
    found = json.loads(answer.read_text())
    alone = Run(found.pop("seconds"), found.pop("cpu"), whole.peak_kb)
    if answers.setdefault(world, found) != found or not found["rejects"] or not found["rules"]:
        raise Failed(f"{engine} answers something else for {world}")
    return alone


def ingest(options, tools: Tools, data: Data, scratch: Path) -> dict:
    """Keeping logs in an empty store beside analysing them, in turn within each round; and how large the store is."""
    formats: dict = {}
    for form in ("v2", "v5"):
        world = data.make(options.records, form)
        logs, inventory, store = world / "AWSLogs", world / "inventory", scratch / "store"
        found: dict = {"analyze": [], "ingest": []}
        for _ in range(options.rounds):
            found["analyze"].append(analyze(tools, [logs], inventory, options.records, scratch))
            shutil.rmtree(store, ignore_errors=True)
            command = [tools.flowgate, "ingest", logs, "--inventory", inventory, "--store", store]
            found["ingest"].append(timed([*command, "--quiet", "--threads", THREADS]))
            say(f"  {form:8}" + "".join(f"{step:>10}{shown(runs[-1])}" for step, runs in found.items()))
        manifest = json.loads((store / "flowgate-store.json").read_text())
        derived = [*manifest["connections"]["files"], *(file for files in manifest.get("tables", {}).values() for file in files)]
        formats[form] = {
            step: {
                "seconds": [round(run.seconds, 3) for run in runs],
                "cpu": [round(run.cpu, 3) for run in runs],
                "peak_kb": [run.peak_kb for run in runs],
            }
            for step, runs in found.items()
        }
        formats[form]["store"] = {
            "logs": sum(path.stat().st_size for path in logs.rglob("*.gz")),
            "records": sum(file["bytes"] for file in manifest["records"]),
            "derived": sum(file["bytes"] for file in derived),
            "connections": sum(file["rows"] for file in manifest["connections"]["files"]),
        }
        shutil.rmtree(store)
    return {"records": options.records, "rounds": options.rounds, "formats": formats}


def startup(_options, tools: Tools, _data, scratch: Path) -> dict:
    """`--help`, fifty times: by hyperfine if it is there."""
    runs = 50
    commands = {"milliseconds": [tools.flowgate, "--help"], "nothing": ["true"]}
    found: dict = {"runs": runs, "by": "hyperfine" if shutil.which("hyperfine") else "from Python"}
    for name, command in commands.items():
        if found["by"] == "hyperfine":
            report = scratch / "hyperfine.json"
            line = " ".join(map(str, command))
            timed(["hyperfine", "-N", "--warmup", "5", "--runs", str(runs), "--export-json", report, line])
            seconds = json.loads(report.read_text())["results"][0]["median"]
        else:
            seconds = tables.median([timed(command).seconds for _ in range(runs + 5)][5:])
        found[name] = round(seconds * 1000, 2)
    return found


def growth(options, tools: Tools, data: Data, scratch: Path) -> dict:
    """Time and memory against records: of the usual mix, and of attempts that all come from different sources."""
    sizes = [n for n in (1_000_000, 3_000_000, 10_000_000, 30_000_000) if n <= 3 * options.records] or [options.records]
    if options.huge:
        sizes.append(10 * max(options.records, PER_FILE))
    limit = ["--memory", options.memory] if options.memory else []
    points = []
    for sources in ("mixed", "distinct"):
        world = data.make(sizes[-1], "v2", "--sources", sources)
        files = sorted((world / "AWSLogs").rglob("*.gz"))
        for size in sizes:
            # The files are as they would be if no more had been asked for.
            part = files[: -(-size // PER_FILE)]
            once = size > 10_000_000
            runs = [
                analyze(tools, part, world / "inventory", min(size, len(part) * PER_FILE), scratch, *limit)
                for _ in range(1 if once else options.growth_rounds)
            ]
            points.append({"sources": sources, "records": size, **middle(runs)})
            say(f"  {sources:9}{size:12,} records{shown(runs[0])}")
        if not options.keep:
            data.drop(world)
    return {"memory": options.memory, "points": points}


def series() -> list[tuple[str, int, int, int]]:
    """(name, n, rules, interfaces)."""
    return (
        [("rules", n, n, FIXED) for n in SIZES]
        + [("interfaces", n, FIXED, n) for n in SIZES]
        + [("both", n, n, n) for n in SIZES]
    )


def judge(_options, _tools, _data, _scratch) -> dict:
    """What judging one connection costs in memory, by benches/judge.rs."""
    lines = cargo("bench", "--locked", "--bench", "judge", "--", "--growth").splitlines()
    found = [line.split()[1:] for line in lines if line.startswith("growth ")]
    points = []
    for (name, n, rules, interfaces), (seen_rules, seen_interfaces, cost) in zip(series(), found, strict=True):
        if (rules, interfaces) != (int(seen_rules), int(seen_interfaces)):
            raise Failed("benches/judge.rs has other sizes than this script")
        points.append({"series": name, "n": n, "rules": rules, "interfaces": interfaces, "nanoseconds": float(cost)})
        say(f"  {rules:9,} rules{interfaces:9,} interfaces{float(cost):8.0f} ns")
    return {"points": points}


def rules(options, tools: Tools, data: Data, scratch: Path) -> dict:
    """Whole runs over the same number of records with ever larger inventories, which are files to be read as well."""
    records = min(1_000_000, options.records)
    points, measured = [], {}
    for name, n, many, interfaces in series():
        if (many, interfaces) not in measured:
            world = data.make(records, "v5", "--rules", str(many), "--interfaces", str(interfaces))
            runs = [
                analyze(tools, [world / "AWSLogs"], world / "inventory", records, scratch)
                for _ in range(options.growth_rounds)
            ]
            measured[many, interfaces] = middle(runs)
            say(f"  {many:9,} rules{interfaces:9,} interfaces{shown(runs[0])}")
            if not options.keep:
                data.drop(world)
        size = {"rules": many, "interfaces": interfaces}
        points.append({"series": name, "n": n, **size, **measured[many, interfaces]})
    return {"records": records, "points": points}


def draw(docs: Path) -> None:
    """Tables and picture from the figures: nothing else is asked."""
    results = json.loads((docs / "benchmarks" / "results.json").read_text())
    (docs / "benchmarks" / "growth.svg").write_text(picture.draw(results))
    for page, generated in ((docs / "benchmarks.md", tables.markdown), (docs.parent / "README.md", tables.readme)):
        text = page.read_text() if page.exists() else f"{tables.BEGIN}\n{tables.END}\n"
        page.write_text(tables.insert(text, generated(results)))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000_000, help="of the comparison; growth goes to three times as many")
    parser.add_argument("--rounds", type=int, default=5, help="of the comparison")
    parser.add_argument("--engine-rounds", type=int, default=3, help="in how many of them the engines take part")
    parser.add_argument("--growth-rounds", type=int, default=2)
    parser.add_argument("--only", choices=SECTIONS, action="append", help="measure this part; may be repeated")
    parser.add_argument("--skip", choices=SECTIONS, action="append", default=[], help="leave this part as it was")
    parser.add_argument("--no-engines", action="store_true", help="without DuckDB and ClickHouse")
    parser.add_argument("--huge", action="store_true", help="let growth go to ten times --records: some 4 GB for a while")
    parser.add_argument("--memory", metavar="SIZE", help="`--memory` of flowgate in the growth with records; default: its own")
    parser.add_argument("--flowgate", metavar="PATH", help="measure this binary instead of building one")
    parser.add_argument("--no-build", action="store_true", help="everything is built already")
    parser.add_argument("--cache", metavar="DIR", help="default: FLOWGATE_BENCH_CACHE, else ~/.cache/flowgate/bench")
    parser.add_argument("--keep", action="store_true", help="keep the generated data")
    parser.add_argument("--docs", metavar="DIR", default=ROOT / "docs", type=Path, help="where benchmarks.md is; README.md is beside this directory")
    parser.add_argument("--draw", action="store_true", help="measure nothing: draw tables and picture again")
    return parser.parse_args()


def measure(options) -> None:
    wanted = [s for s in options.only or SECTIONS if s not in options.skip]
    tools = Tools(options.flowgate, not options.no_build)
    data = Data(cache(options.cache), tools)
    file = options.docs / "benchmarks" / "results.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    # Parts that are not measured now stay what they were.
    results = json.loads(file.read_text()) if file.exists() else {}
    results["machine"] = machine()
    parts = {"comparison": comparison, "ingest": ingest, "startup": startup, "growth": growth, "judge": judge, "rules": rules}
    with tempfile.TemporaryDirectory() as scratch:
        for section in (s for s in SECTIONS if s in wanted):
            say(section)
            began = time.perf_counter()
            results[section] = parts[section](options, tools, data, Path(scratch))
            results["machine"]["script_kb"] = own_peak()
            say(f"{section}: {time.perf_counter() - began:.0f} s")
            file.write_text(json.dumps(results, indent=1) + "\n")
    if not options.keep:
        shutil.rmtree(data.place, ignore_errors=True)


def main() -> int:
    options = arguments()
    try:
        if not options.draw:
            measure(options)
        draw(options.docs)
    except Failed as error:
        say(str(error))
        return 1
    print((options.docs / "benchmarks.md").read_text().split(tables.BEGIN)[1].split(tables.END)[0].strip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
