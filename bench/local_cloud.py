"""What a user of the local cloud waits for, and what it holds.

    python bench/local_cloud.py [--runs 5] [--seconds 60] [--users 1000] [--json FILE]

Start: `fairway up` on a deployed application, from the command to the first answered POST.
Edit: saving the handler, to the first answer by the new code. Memory: of the whole process
tree, idle and under 1,000 connections (PSS: shared pages are counted once). Load, as reference
system 2 has it: 1,000 users, each with a connection of its own kept alive, 100 requests a second in
sum, mixed reads and writes, for a minute; an open loop, see open_loop.py.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import load
import report
from open_loop import Account, mix_reads_and_writes, run_open_loop
from processes import prepare_this_process

EXAMPLE = Path(__file__).parents[1] / "examples" / "timestamps"
FAIRWAY = [sys.executable, "-m", "fairway"]
PATIENCE = 60.0


def main() -> None:
    options = parse_options()
    prepare_this_process()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "timestamps"
        shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns(".fairway", "__pycache__"))
        choose_port(place)
        run_fairway(place, "up", "--detach")
        url = read_url(place)
        run_fairway(place, "down")
        try:
            result = measure_all(place, url, options)
        finally:
            run_fairway(place, "down")
    result = {"machine": report.describe_machine(), **result}
    rows = [["what", "median", "least", "most"], *make_rows(result)]
    report.print_table(rows)
    print(report.write_json("local_cloud", result, options.json))


def choose_port(place: Path) -> None:
    """Give the load balancer a port that no other local cloud takes while this one is down."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (place / ".fairway").mkdir()
    (place / ".fairway" / "ports.json").write_text(json.dumps({"timestamps-local-app/Web": port}))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60, help="of the open loop")
    parser.add_argument("--users", type=int, default=1000, help="of the open loop")
    parser.add_argument("--rate", type=float, default=100, help="requests a second")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def measure_all(place: Path, url: str, options: argparse.Namespace) -> dict[str, Any]:
    starts = [measure_start(place, url) for _ in range(options.runs)]
    with serving(place):
        wait_for(url, "POST", "/app")
        edits = [measure_edit(place, url, number) for number in range(options.runs)]
    run_fairway(place, "up", "--detach")
    wait_for(url, "POST", "/app")
    time.sleep(3)
    idle = read_memory(place)
    mixed = asyncio.run(run_users(url, options))
    crowd = asyncio.run(run_crowd(url))
    return {
        "start_seconds": starts,
        "edit_seconds": edits,
        "idle_mib": idle,
        "after_1000_connections_mib": read_memory(place),
        "open_loop": mixed,
        "crowd": crowd,
    }


class serving:  # noqa: N801 - reads as a phrase
    """`fairway up` in the foreground, ended with Ctrl-C. What it says goes to a file beside."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.log = place.parent / "up.log"

    def __enter__(self) -> serving:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*FAIRWAY, "up"],
                cwd=self.place,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)


def measure_start(place: Path, url: str) -> float:
    began = time.perf_counter()
    with serving(place):
        wait_for(url, "POST", "/app")
        return time.perf_counter() - began


def measure_edit(place: Path, url: str, number: int) -> float:
    handler = place / "src" / "timestamps.py"
    time.sleep(1)
    text = re.sub(r'WELCOME = ".*"', f'WELCOME = "edit {number}"', handler.read_text())
    began = time.perf_counter()
    handler.write_text(text)
    wait_for(url, "GET", "/", f"edit {number}")
    return time.perf_counter() - began


def wait_for(url: str, method: str, path: str, text: str = "") -> None:
    """Ask until the answer is right, a few milliseconds apart."""
    deadline = time.perf_counter() + PATIENCE
    address = url.removeprefix("http://")
    while time.perf_counter() < deadline:
        connection = http.client.HTTPConnection(address, timeout=10)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            if answer.status == 200 and text in answer.read().decode():
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.005)
    raise SystemExit(f"{method} {url}{path} was not answered as expected in {PATIENCE:.0f} s")


def read_memory(place: Path) -> float:
    """MiB of everything below the supervisor."""
    information = json.loads((place / ".fairway" / "cloud.json").read_text())
    return sum(read_pss(pid) for pid in list_tree(information["pid"])) / 1024


def list_tree(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def read_pss(pid: int) -> int:
    """KiB; a process that has ended holds nothing."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    match = re.search(r"^Pss:\s+(\d+) kB", text, flags=re.MULTILINE)
    return int(match[1]) if match else 0


async def run_users(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """The load of reference system 2."""
    account = Account()
    await run_open_loop(
        url,
        users=options.users,
        rate=options.rate,
        seconds=options.seconds,
        choose=mix_reads_and_writes,
        account=account,
    )
    rest = {"users": options.users, "rate": options.rate, "seconds": options.seconds}
    return {**rest, **account.describe()}


async def run_crowd(url: str) -> dict[str, object]:
    """1,000 connections for a few seconds, for the memory they take."""
    options = argparse.Namespace(
        url=f"{url}/app", method="POST", connections=1000, seconds=5.0, warm_up=2.0,
        timeout=30.0, expect=r"^\d{4}-",
    )  # fmt: skip
    return await load.measure(options)


def read_url(place: Path) -> str:
    status = json.loads(run_fairway(place, "status", "--json"))
    return str(status["urls"]["web"])


def run_fairway(place: Path, *arguments: str) -> str:
    done = subprocess.run(
        [*FAIRWAY, *arguments], cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"fairway {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


def make_rows(result: dict[str, Any]) -> list[list[str]]:
    rows = []
    for name, key in (
        ("up to first POST, s", "start_seconds"),
        ("edit to served, s", "edit_seconds"),
    ):
        found = result[key]
        figures = (statistics.median(found), min(found), max(found))
        rows.append([name, *(f"{figure:.2f}" for figure in figures)])
    rows.append(["idle memory, MiB", f"{result['idle_mib']:.0f}", "", ""])
    held = f"{result['after_1000_connections_mib']:.0f}"
    rows.append(["memory after 1,000 connections, MiB", held, "", ""])
    loop = result["open_loop"]
    load_name = f"{loop['users']} users, {loop['rate']:g} requests/s, {loop['seconds']:g} s"
    rows.append([f"{load_name}: p95 ms", f"{loop['p95_ms']}", "", ""])
    rows.append([f"{load_name}: errors", f"{loop['errors']}", "", ""])
    return rows


if __name__ == "__main__":
    main()
