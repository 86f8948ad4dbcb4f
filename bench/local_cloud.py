"""What a user of the local cloud waits for, and what it holds.

    python bench/local_cloud.py [--runs 5] [--seconds 20] [--json FILE]

Start: `fairway up` on a deployed application, from the command to the first answered POST.
Edit: saving the handler, to the first answer by the new code. Memory: of the whole process
tree, idle and under 1,000 connections (PSS: shared pages are counted once). Load: an open loop
of 100 requests a second, mixed reads and writes, as reference system 2 has it; a request's time
counts from when it was due, so that a stall is not hidden.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import load
import report

EXAMPLE = Path(__file__).parents[1] / "examples" / "timestamps"
FAIRWAY = [sys.executable, "-m", "fairway"]
PATIENCE = 60.0


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "timestamps"
        shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns(".fairway", "__pycache__"))
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


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20, help="of the open loop")
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
    mixed = asyncio.run(run_open_loop(url, options.rate, options.seconds))
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
    """`fairway up` in the foreground, ended with Ctrl-C."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __enter__(self) -> None:
        self.process = subprocess.Popen(
            [*FAIRWAY, "up"],
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

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


async def run_open_loop(url: str, rate: float, seconds: float) -> dict[str, Any]:
    """Send at a fixed rate over as many connections as it takes."""
    host, port = url.removeprefix("http://").split(":")
    began = time.perf_counter()
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    took: list[float] = []
    errors = 0

    async def send(number: int) -> None:
        nonlocal errors
        due = began + number / rate
        await asyncio.sleep(due - time.perf_counter())
        method, path = ("POST", "/app") if number % 2 else ("GET", "/")
        try:
            pair = free.pop() if free else await asyncio.open_connection(host, int(port))
            pair[1].write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = await asyncio.wait_for(pair[0].readuntil(b"\r\n\r\n"), 30)
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await pair[0].readexactly(int(length[1]) if length else 0)
            free.append(pair)
            took.append(time.perf_counter() - due)
            errors += not head.startswith(b"HTTP/1.1 200")
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            errors += 1

    total = int(rate * seconds)
    await asyncio.gather(*(send(number) for number in range(total)))
    for _, writer in free:
        writer.close()
    took.sort()
    points = {f"p{p}_ms": round(took[int(len(took) * p / 100) - 1] * 1000, 1) for p in (50, 95, 99)}
    return {"requests": total, "errors": errors, **points}


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
        [*FAIRWAY, *arguments], cwd=place, capture_output=True, text=True, check=True
    )
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
    rows.append([f"open loop, {loop['requests']} requests, p95 ms", f"{loop['p95_ms']}", "", ""])
    rows.append(["open loop, errors", f"{loop['errors']}", "", ""])
    return rows


if __name__ == "__main__":
    main()
