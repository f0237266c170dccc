#!/usr/bin/env python3
"""Counts the instructions that parts of the work take, and compares them with counts.toml: a slower machine counts the same.

    benches/instructions/check.py            # fails when a part takes 10 % more than recorded
    benches/instructions/check.py --bless    # records what is counted now

Counted is what runs in our own binaries, under valgrind's callgrind, on one thread, over logs that are generated anew. libc
and the loader are left out, for they choose their routines by processor. What is left depends on the architecture, which
counts.toml names, on the compiler, and on the dependencies: when one of these changes, bless.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COUNTS = Path(__file__).resolve().parent / "counts.toml"
RECORDS = 50_000
LIMIT = 0.10
NO_VALGRIND = 3


def run(*command, **options) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\nended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def own_instructions(profile: str, binary: Path) -> int:
    """The instructions of a callgrind profile that ran in the binary itself.

    The format (https://valgrind.org/docs/manual/cl-format.html): `ob=(1) path` opens an object and gives it a number, `ob=(1)` opens
    it again; a line of numbers is a place and its cost; the one after `calls=` is what was called, which counts itself elsewhere.
    """
    names: dict[str, str] = {}
    total, mine, after_call = 0, False, False
    for line in profile.splitlines():
        if found := re.match(r"(c?ob)=(\(\d+\))(?: (.*))?$", line):
            kind, number, name = found.groups()
            if name:
                names[number] = name
            if kind == "ob":
                mine = names[number] == str(binary)
        elif line.startswith("calls="):
            after_call = True
        elif re.match(r"[-+*\d]", line):
            if mine and not after_call:
                total += int(line.split()[1])
            after_call = False
    if not total:
        raise SystemExit(f"the profile has no instructions of {binary}")
    return total


def count(scratch: Path, name: str, *command) -> int:
    profile = scratch / f"{name}.callgrind"
    binary = Path(command[0]).resolve()
    # The same addresses and the same environment every time; what is left of chance is below a thousandth.
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    run("valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", binary, *command[1:], env=clean)
    return own_instructions(profile.read_text(), binary)


def plain(world: Path, file: Path) -> Path:
    """The logs as one text."""
    with open(file, "wb") as out:
        for path in sorted((world / "AWSLogs").rglob("*.gz")):
            out.write(subprocess.run(["gzip", "-dc", path], check=True, stdout=subprocess.PIPE).stdout)
    return file


def measure(release: Path) -> dict[str, int]:
    flowgate, parts = release / "flowgate", release / "examples" / "instructions"
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        jobs = []
        for form in ("v2", "v5"):
            world = scratch / form
            run(release / "examples" / "world", "--bench", RECORDS, "--format", form, "--out", world)
            text, inventory = plain(world, scratch / f"{form}.log"), world / "inventory"
            jobs.append((f"decode-{form}", parts, "decode", text))
            jobs.append((f"judge-{form}", parts, "judge", text, inventory))
            flags = ["--quiet", "--threads", "1", "--fail-on", "never", "--out", scratch / f"out-{form}"]
            jobs.append((f"analyze-{form}", flowgate, "analyze", world / "AWSLogs", "--inventory", inventory, *flags))
        # valgrind runs one thread at a time, and so many at once do not disturb each other's counts.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = dict(zip((job[0] for job in jobs), pool.map(lambda job: count(scratch, *job), jobs)))
    for form in ("v2", "v5"):
        # Pairing and judging have no entry of their own: the same text, less its decoding.
        found[f"judge-{form}"] -= found[f"decode-{form}"]
    return found


def recorded(architecture: str) -> dict[str, int]:
    """The counts of this architecture; the rest of the file is kept as it is."""
    text = COUNTS.read_text() if COUNTS.exists() else ""
    found = re.search(rf"^\[{architecture}\]\n((?:[^\[].*\n?)*)", text, re.MULTILINE)
    rows = re.findall(r"^([a-z0-9-]+) = ([\d_]+)$", found[1], re.MULTILINE) if found else []
    return {name: int(number) for name, number in rows}


def bless(architecture: str, counts: dict[str, int]) -> None:
    rustc = run("rustc", "--version").split("(")[0].strip()
    lines = [f"[{architecture}]", f'compiler = "{rustc}"', *(f"{name} = {n:_}" for name, n in counts.items())]
    section = "\n".join(lines) + "\n"
    text = COUNTS.read_text() if COUNTS.exists() else "# Recorded by benches/instructions/check.py --bless, which says what it is.\n\n"
    pattern = re.compile(rf"^\[{architecture}\]\n(?:[^\[].*\n?)*", re.MULTILINE)
    COUNTS.write_text(pattern.sub(section, text) if pattern.search(text) else text + section)


def verdict(before: dict[str, int], now: dict[str, int]) -> tuple[list[str], bool]:
    """What to print, and whether it is good."""
    lines, good = [], True
    for name, number in now.items():
        if name not in before:
            lines.append(f"{name:12}{number:>15,}  not recorded: --bless")
            good = False
            continue
        change = number / before[name] - 1
        word = ""
        if change > LIMIT:
            word, good = f"  FAILED: more than {LIMIT:.0%} more", False
        elif change < -LIMIT:
            word = "  better: --bless, or it may be lost again unseen"
        lines.append(f"{name:12}{number:>15,}{before[name]:>15,}{change:>+9.1%}{word}")
    return lines, good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bless", action="store_true", help="record what is counted now")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        print("instructions: not counted, valgrind is not installed", file=sys.stderr)
        return NO_VALGRIND
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    target = Path(os.environ.setdefault("CARGO_TARGET_DIR", str(base / "flowgate" / "target")))
    # As the tests build them, so that after the tests there is nothing to build.
    examples = ["--example", "instructions", "--example", "world"]
    run("cargo", "build", "--release", "--locked", "--all-features", "--bin", "flowgate", *examples)
    now = measure(target.resolve() / "release")
    architecture = os.uname().machine
    if options.bless:
        bless(architecture, now)
    before = recorded(architecture)
    if not before:
        print(f"instructions: nothing is recorded for {architecture}; --bless records", file=sys.stderr)
        return 0
    lines, good = verdict(before, now)
    print("\n".join(["part          instructions       recorded   change", *lines]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
