"""Bench: from a definition to what can be deployed, for N functions with a route each.

    python bench/definition_to_artifact.py --functions 1,10,100,1000 --runs 3

Each tool's own packaging command on a new project, then again with nothing changed. No account, no
network, no container. See bench/README.md.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from statistics import median
from typing import Any

from builders import BUILDERS, Builder, Command
from install_peers import say
from processes import MIB, MemoryWatch, end_descendants, ended_afterwards, prepare_this_process
from report import describe_machine, print_table, split_names, split_numbers, write_json
from targets import make_place

HEADER = [
    "tool",
    "functions",
    "first s",
    "no change s",
    "/ ours",
    "peak MiB",
    "resources",
    "failure",
]
COMMAND_DEADLINE = 180.0  # seconds
CLOUDFORMATION_LIMIT = 500  # resources a template: CloudFormation quotas


def main() -> None:
    options = parse_options()
    sizes, names = split_numbers(options.functions), split_names(list(BUILDERS), options.only)
    prepare_this_process()
    result: dict[str, Any] = {"bench": "definition_to_artifact", "machine": describe_machine()}
    result |= {"runs": options.runs, "tools": (tools := {})}
    with ended_afterwards():
        for name in names:
            tools[name] = measure_builder(BUILDERS[name], sizes, options)
    print_table([HEADER, *make_rows(tools)])
    say(f"written: {write_json('definition_to_artifact', result, options.json)}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", default="1,10,100,1000", help="default %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="new projects each; the median counts")
    parser.add_argument("--only", help=f"some of {','.join(BUILDERS)}")
    parser.add_argument("--json", type=Path, help="default under bench/results/")
    return parser.parse_args()


def measure_builder(
    builder: Builder, sizes: list[int], options: argparse.Namespace
) -> dict[str, Any]:
    """All sizes of one tool, after one run that is not counted: the machine is not new to it."""
    say(f"{builder.name}: {builder.about}")
    command = builder.prepare()
    measure_project(builder, command, 1)
    found: dict[str, Any] = {"about": builder.about, "sizes": []}
    for size in sizes:
        runs = [measure_project(builder, command, size) for _ in range(options.runs)]
        found["sizes"].append(sized := summarize(size, runs))
        say(f"  {size} functions: {sized['first_seconds']} s, {sized['no_change_seconds']} s")
    return found


def measure_project(builder: Builder, command: Command, size: int) -> dict[str, Any]:
    """One new project: the command's first run, its run without a change, what it made."""
    place = make_place(f"build-{builder.name}")
    builder.generate(place, size, uuid.uuid4().hex)
    run: dict[str, Any] = {"failure": None, "resources": None}
    for part in ("first", "no_change"):
        run[part] = run_command(command, place)
        failure = run[part].pop("failure")
        run["failure"] = run["failure"] or failure
    if not run["failure"]:
        try:
            run["resources"] = builder.count(place)
        except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
            run["failure"] = f"no artifact: {error}"
    return run


def run_command(command: Command, place: Path) -> dict[str, Any]:
    """Wall seconds, peak memory of the process tree in MiB, and the failure, if any."""
    arguments, env = command
    with MemoryWatch(limit=1 << 62, every=0.05) as watch, (place / "log").open("ab") as log:
        began = time.monotonic()
        process = subprocess.Popen(
            arguments, cwd=place, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        # Not wait(timeout): that polls, every 50 ms in the end, and would round the figures up.
        late = threading.Timer(COMMAND_DEADLINE, process.kill)
        late.start()
        code = process.wait()
        late.cancel()
        seconds = time.monotonic() - began
    end_descendants()
    failure = None if code == 0 else f"exit {code}: {read_last_words(place / 'log')}"
    if seconds >= COMMAND_DEADLINE:
        failure = f"nothing after {COMMAND_DEADLINE:.0f} s"
    return {"seconds": seconds, "peak_rss_mib": watch.peak / MIB, "failure": failure}


def read_last_words(log: Path) -> str:
    """The line of a log that most likely tells the cause."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"[Ee]rror: .*\w", line)]
    return (telling[:1] or lines[-1:] or ["no output"])[0][:160]


def summarize(size: int, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of the runs; the first failure; names what CloudFormation would refuse."""
    resources = runs[-1]["resources"]
    failure = next((run["failure"] for run in runs if run["failure"]), None)
    if not failure and max(resources) > CLOUDFORMATION_LIMIT:
        failure = f"{max(resources)} resources in one: CloudFormation takes {CLOUDFORMATION_LIMIT}"
    return {
        "functions": size,
        "first_seconds": round(median(run["first"]["seconds"] for run in runs), 3),
        "no_change_seconds": round(median(run["no_change"]["seconds"] for run in runs), 3),
        "peak_rss_mib": round(max(run["first"]["peak_rss_mib"] for run in runs), 1),
        "resources": resources,
        "failure": failure,
        "runs": runs,
    }


def make_rows(tools: dict[str, Any]) -> list[list[str]]:
    """The table's lines; times of a command that failed are shown beside its failure.

    / ours: how many times longer than `ours` the first run took, with as many functions.
    """
    sizes = tools.get("ours", {}).get("sizes", [])
    ours = {size["functions"]: size["first_seconds"] for size in sizes}
    return [
        [
            name,
            str(size["functions"]),
            f"{size['first_seconds']:.2f}",
            f"{size['no_change_seconds']:.2f}",
            f"{size['first_seconds'] / ours[size['functions']]:.1f}"
            if size["functions"] in ours
            else "-",
            f"{size['peak_rss_mib']:.0f}",
            count_shortly(size["resources"] or []),
            (size["failure"] or "")[:90],
        ]
        for name, tool in tools.items()
        for size in tool["sizes"]
    ]


def count_shortly(resources: list[int]) -> str:
    """The counts of each template, or of many only the sum, the number and the largest."""
    if len(resources) <= 4:
        return "+".join(map(str, resources)) or "-"
    return f"{sum(resources)} in {len(resources)}, at most {max(resources)}"


if __name__ == "__main__":
    sys.exit(main())
