"""Running things: processes with their time and peak memory, builds, generated data, the engines' environment."""

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
THREADS = "2"


class Failed(Exception):
    """Something that was run did not do its work."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def own_peak() -> int:
    """Peak kB of this script: Linux never shows less for a process that it starts."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)


class Run(NamedTuple):
    """What a process took."""

    seconds: float
    # Of all its threads: a busy machine changes it less.
    cpu: float
    peak_kb: int


def timed(command: list) -> Run:
    """Runs a process and nothing else."""
    began = time.perf_counter()
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stderr.close()
    if child.returncode:
        raise Failed(f"{' '.join(map(str, command))[:400]}\nended with {child.returncode}: {errors.decode()[-2000:]}")
    # macOS counts bytes.
    peak = usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    return Run(seconds, usage.ru_utime + usage.ru_stime, peak)


def output(command: list) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}\nended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def cache(given: str | None) -> Path:
    """Where data and the engines' environment go: outside the clone."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(given or os.environ.get("FLOWGATE_BENCH_CACHE") or Path(base) / "flowgate" / "bench").resolve()


def target() -> Path:
    """The one target directory, as tests/setup.sh sets it."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CARGO_TARGET_DIR") or Path(base) / "flowgate" / "target").resolve()


def cargo(*arguments: str) -> str:
    os.environ["CARGO_TARGET_DIR"] = str(target())
    return output(["cargo", *arguments])


class Tools:
    """The programs that are measured, and the one that makes the data."""

    def __init__(self, flowgate: str | None, build: bool):
        if build:
            say("building")
            names = [word for name in ("world", "inflate", "columns") for word in ("--example", name)]
            cargo("build", "--release", "--locked", *([] if flowgate else ["--bin", "flowgate"]), *names)
        release = target() / "release"
        self.flowgate = Path(flowgate).resolve() if flowgate else release / "flowgate"
        self.world, self.inflate, self.columns = (release / "examples" / n for n in ("world", "inflate", "columns"))
        for program in (self.flowgate, self.world, self.inflate, self.columns):
            if not program.exists():
                raise Failed(f"{program} is missing")


class Data:
    """Generated logs with their inventory. What was made by another version of the generator is made anew."""

    def __init__(self, place: Path, tools: Tools):
        self.place, self.tools = place / "data", tools
        sources = sorted((ROOT / "tests" / "world").glob("*.rs"))
        self.version = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]

    def make(self, records: int, form: str, *shape: str) -> Path:
        place = self.place / "-".join([form, str(records), *(s.strip("-") for s in shape), self.version])
        if not (place / "whole").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            arguments = ["--format", "v2"] if form == "v2" else ["--format", "v5"]
            arguments += ["--parquet"] if form == "parquet" else []
            began = time.perf_counter()
            # The generator empties the directory that it is given.
            timed([self.tools.world, "--bench", records, "--out", place / "world", *arguments, *shape])
            (place / "whole").touch()
            say(f"made {records:,} records, {form} {' '.join(shape)}: {time.perf_counter() - began:.1f} s")
        self.warm(place)
        return place / "world"

    @staticmethod
    def warm(place: Path) -> None:
        """Everything is measured with the files in the page cache."""
        for path in place.rglob("*"):
            if path.is_file():
                with open(path, "rb") as file:
                    while file.read(1 << 22):
                        pass

    def drop(self, world: Path) -> None:
        shutil.rmtree(world.parent)


def engines(place: Path) -> Path:
    """The Python of a virtual environment that has the engines; made once for each version of requirements.txt."""
    requirements = HERE / "requirements.txt"
    venv = place / "venv"
    stamp = venv / "requirements.txt"
    if not stamp.exists() or stamp.read_bytes() != requirements.read_bytes():
        say(f"installing the engines into {venv}")
        shutil.rmtree(venv, ignore_errors=True)
        output([sys.executable, "-m", "venv", venv])
        output([venv / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements])
        shutil.copy(requirements, stamp)
    return venv / "bin" / "python"


def machine() -> dict:
    """What the figures were measured on."""
    cpu, memory = "unknown processor", 0
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
        memory = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    except (OSError, ValueError):
        pass
    system = os.uname()
    rustc = output(["rustc", "--version"]).split("(")[0].strip()
    return {
        "cpu": cpu,
        "cpus": os.cpu_count(),
        "memory_gb": memory,
        "system": f"{system.sysname} {system.release.split('-')[0]} {system.machine}",
        "rustc": rustc,
    }
