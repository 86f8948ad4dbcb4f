"""Bench: the local request path. `POST /app`, a Python function, one write to DynamoDB.

    python bench/request_path.py --connections 1,10,100,1000 --seconds 5

Each target alone in turn, started and stopped here; every answer checked. See bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from install_peers import BENCH, make_environment, say
from processes import (
    MIB,
    MemoryWatch,
    end_descendants,
    ended_afterwards,
    find_descendants,
    prepare_this_process,
)
from report import describe_machine, print_table, split_names, split_numbers, write_json
from targets import TARGETS, Database, Target, TargetFailedError, make_place, start_database

HEADER = ["target", "conn", "req/s", "/ceiling", "p50 ms", "p95 ms", "p99 ms"]
HEADER += ["ok", "wrong", "broken", "unansw.", "peak MiB"]


def main() -> None:
    options = parse_options()
    connections = split_numbers(options.connections)
    names = split_names(list(TARGETS), options.only)
    prepare_this_process()
    result: dict[str, Any] = {"bench": "request_path", "machine": describe_machine()}
    result["settings"] = {"seconds": options.seconds, "warm_up": options.warm_up}
    result["settings"] |= {"timeout": options.timeout, "memory_limit_mib": options.memory_limit}
    result["targets"] = targets = {}
    with ended_afterwards():
        database = start_database()
        for name in names:
            targets[name] = measure_target(TARGETS[name], database, connections, options)
            end_descendants({database.pid})
    print_table([HEADER, *make_rows(targets)])
    for name, target in targets.items():
        if "failed" in target:
            print(f"{name} FAILED: {target['failed']}")
    say(f"written: {write_json('request_path', result, options.json)}")
    if any("failed" in target for target in targets.values()):
        sys.exit(1)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", default="1,10,100,1000", help="default %(default)s")
    parser.add_argument("--seconds", type=float, default=5.0, help="measured, each cell")
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds before each cell")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds, then unanswered")
    parser.add_argument("--only", help=f"some of {','.join(TARGETS)}")
    parser.add_argument("--json", type=Path, help="default bench/results/request_path.json")
    parser.add_argument(
        "--memory-limit", type=int, default=10240, help="MiB; a target above it is killed"
    )
    return parser.parse_args()


def measure_target(
    target: Target, database: Database, connections: list[int], options: argparse.Namespace
) -> dict[str, Any]:
    """Start one target, load it at each level, stop it; a failure is part of the result."""
    say(f"{target.name}: {target.about}")
    found: dict[str, Any] = {"about": target.about, "levels": []}
    watch = MemoryWatch(options.memory_limit * MIB, excluded={database.pid})
    rows_before = database.count_rows() if target.writes_to_database else 0
    try:
        with watch:
            began = time.monotonic()
            with target.serve(make_place(target.name), database) as url:
                found["start_seconds"] = round(time.monotonic() - began, 2)
                for level in connections:
                    found["levels"].append(measure_level(target, url, level, watch, options))
    except TargetFailedError as error:
        found["failed"] = str(error)
        say(f"  failed: {error}")
    if target.writes_to_database:
        found["rows_written"] = database.count_rows() - rows_before
    return found


def measure_level(
    target: Target, url: str, level: int, watch: MemoryWatch, options: argparse.Namespace
) -> dict[str, Any]:
    """One cell: the load generator's account, the target's peak memory and processes."""
    if watch.exceeded:
        raise TargetFailedError(f"killed above {options.memory_limit} MiB")
    watch.reset()
    load = start_load(target, url, level, options)
    watch.excluded.add(load.pid)
    out, _ = load.communicate()
    processes = len(find_descendants(os.getpid(), watch.excluded))
    watch.excluded.discard(load.pid)
    if load.returncode:
        raise TargetFailedError(f"the load generator ended with {load.returncode}")
    cell = json.loads(out)
    cell |= {"peak_rss_mib": round(watch.peak / MIB, 1), "processes_after": processes}
    cell["killed_for_memory"] = watch.exceeded
    say(f"  {level} connections: {cell['requests_per_second']} req/s")
    return cell


def start_load(
    target: Target, url: str, level: int, options: argparse.Namespace
) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(BENCH / "load.py"), url, "--connections", str(level)]
    command += ["--seconds", str(options.seconds), "--warm-up", str(options.warm_up)]
    command += ["--timeout", str(options.timeout), "--expect", target.expect]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=make_environment()
    )


def make_rows(targets: dict[str, Any]) -> list[list[str]]:
    """The table's lines, one for each level that was measured."""
    ceiling = {
        cell["connections"]: cell["requests_per_second"]
        for cell in targets.get("ceiling", {}).get("levels", [])
    }
    rows = []
    for name, target in targets.items():
        for cell in target["levels"]:
            top = ceiling.get(cell["connections"])
            ratio = f"{cell['requests_per_second'] / top:.2f}" if top else "-"
            rows.append(
                [name, str(cell["connections"]), f"{cell['requests_per_second']:.0f}", ratio]
            )
            rows[-1] += [show(cell[key]) for key in ("p50_ms", "p95_ms", "p99_ms")]
            rows[-1] += [str(cell["ok"]), str(cell["wrong"])]
            rows[-1] += [str(cell["broken"] + cell["refused"]), str(cell["unanswered"])]
            rows[-1] += [f"{cell['peak_rss_mib']:.0f}{'!' * cell['killed_for_memory']}"]
    return rows


def show(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.1f}"


if __name__ == "__main__":
    main()
