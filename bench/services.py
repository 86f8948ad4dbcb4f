"""Bench: planning a root of many services, at first and with everything bundled; checking it.

    python bench/services.py --shapes 100x10,20x50 --runs 3
    python bench/services.py --shapes 100x10 --runs 1 --verb check

Each shape is services x functions; a service has its own code, a table, a role a function and an
HTTP API with a route each. The plan is made without an account: everything counts as new, which is
the most to compare. `check` runs cfn-lint on every template of both environments; again, it
knows them. Seconds and peak memory are of the whole command. See bench/README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from pathlib import Path
from statistics import median
from typing import Any

from builders import write_handlers
from definition_to_artifact import run_command
from install_peers import say
from processes import end_descendants, ended_afterwards, prepare_this_process
from report import describe_machine, print_table, write_json
from targets import make_place

ROOT = "app: shop\nregion: eu-west-1\nservices: [services/*]\nenvironments: {poc: {}}\n"
COMMANDS = {"plan": ("plan", "-e", "poc"), "check": ("check",)}
HEADER = ["services", "functions", "first s", "again s", "peak MiB", "failure"]


def main() -> None:
    options = parse_options()
    prepare_this_process()
    shapes = [tuple(map(int, shape.split("x"))) for shape in options.shapes.split(",")]
    found: list[dict[str, Any]] = []
    with ended_afterwards():
        for services, functions in shapes:
            runs = [measure(options.verb, services, functions) for _ in range(options.runs)]
            found.append(sized := summarize(services, functions, runs))
            say(f"{services} x {functions}: {sized['first_seconds']} s, {sized['again_seconds']} s")
    print_table([HEADER, *([str(value) for value in sized.values()] for sized in found)])
    name = "services" if options.verb == "plan" else f"services_{options.verb}"
    result = {"bench": name, "machine": describe_machine(), "shapes": found}
    say(f"written: {write_json(name, result, options.json)}")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", default="100x10,20x50", help="default %(default)s")
    parser.add_argument("--runs", type=int, default=3, help="new roots each; the median counts")
    parser.add_argument("--verb", choices=COMMANDS, default="plan", help="default %(default)s")
    parser.add_argument("--json", type=Path, help="default under bench/results/")
    return parser.parse_args()


def measure(verb: str, services: int, functions: int) -> list[dict[str, Any]]:
    """A new root: the verb at first, and once more."""
    place = make_place("services")
    write_root(place / "root", services, functions)
    fairway = str(Path(sys.executable).with_name("fairway"))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    clean["HOME"] = str(place)  # without credentials
    command = [fairway, *COMMANDS[verb], "-C", str(place / "root")], clean
    runs = [run_command(command, place) for _ in range(2)]
    end_descendants()
    return runs


def write_root(root: Path, services: int, functions: int) -> None:
    root.mkdir()
    (root / "fairway.yml").write_text(ROOT)
    for number in range(services):
        folder = root / "services" / f"s{number}"
        write_handlers(folder / "src", functions, uuid.uuid4().hex)
        names = [f"f{one}" for one in range(functions)]
        parts = ["rows: {type: table, partition_key: id}"]
        parts += [
            f"{n}: {{type: function, handler: {n}.handler, uses: {{rows: read}}}}" for n in names
        ]
        routes = ", ".join(f"GET /{name}: {name}" for name in names)
        parts.append(f"web: {{type: http-api, routes: {{{routes}}}}}")
        lines = "".join(f"  {part}\n" for part in parts)
        (folder / "fairway.yml").write_text(f"app: s{number}\ncomponents:\n{lines}")


def summarize(services: int, functions: int, runs: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians, and the most memory."""
    failures = [one["failure"] for run in runs for one in run if one["failure"]]
    return {
        "services": services,
        "functions": services * functions,
        "first_seconds": round(median(run[0]["seconds"] for run in runs), 2),
        "again_seconds": round(median(run[1]["seconds"] for run in runs), 2),
        "peak_rss_mib": round(max(one["peak_rss_mib"] for run in runs for one in run), 1),
        "failure": failures[0] if failures else "",
    }


if __name__ == "__main__":
    sys.exit(main())
