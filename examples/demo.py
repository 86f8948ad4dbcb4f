"""`make demo`: bring the timestamp application up on the local cloud and use it.

Prints each step with its time, then keeps serving until Ctrl-C when there is a
terminal, or stops cleanly when there is none.
"""

import http.client
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from fairway.cli.commands.up import start_app
from fairway.cli.main import run_guarded
from fairway.cli.render.progress import Progress
from fairway.cli.target import state_directory
from fairway.cloud.launch import stop_cloud
from fairway.operate.status import read_status

APPLICATION = Path(__file__).parent / "timestamps"
REQUESTS = ("GET /", "POST /app", "POST /app", "POST /app", "GET /app")


def main() -> int:
    """Start, ask, and serve or stop."""
    began = time.monotonic()
    print(f"Bringing up {APPLICATION.name}/fairway.yml on the local cloud", flush=True)
    try:
        with Progress() as progress:
            app, target = start_app(APPLICATION, progress)
        url = read_status(app, target.require_aws()).urls["web"]
        print(f"\nThe load balancer answers at {url}", flush=True)
        send_requests(url, began)
        if sys.stdin.isatty() and sys.stdout.isatty():
            print(f"\nTry: curl -X POST {url}/app", flush=True)
            print("Logs: cd examples/timestamps && ../../.venv/bin/fairway logs", flush=True)
            print("\nServing until Ctrl-C.", flush=True)
            threading.Event().wait()
        print("\nGo on: cd examples/timestamps && ../../.venv/bin/fairway up", flush=True)
    except KeyboardInterrupt:
        print()
    finally:
        stop_cloud(state_directory(APPLICATION))
        print("Stopped; the rows stay for the next time.", flush=True)
    return 0


def send_requests(url: str, began: float) -> None:
    """Send each request over one connection; show it, its answer and its time."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    first = True
    for request in REQUESTS:
        method, path = request.split()
        sent = time.monotonic()
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read().decode()
        took = (time.monotonic() - sent) * 1000
        print(f"\n> {request}\n< {response.status} {response.reason} ({took:.1f} ms)", flush=True)
        lines = body.splitlines()
        for line in lines[:6] + ([f"... {len(lines) - 6} more lines"] if len(lines) > 6 else []):
            print(f"  {line}", flush=True)
        if response.status != 200:
            raise SystemExit(f"{request} was answered {response.status}")
        if method == "POST" and first:
            first = False
            total = time.monotonic() - began
            print(f"  first write answered {total:.2f} s after the start", flush=True)


if __name__ == "__main__":
    sys.exit(run_guarded(main))
