"""The load generator of the benches: closed loop, every answer checked, every request accounted.

    python bench/load.py http://127.0.0.1:8000/app --connections 100 --seconds 5 --expect '^ok$'

Each connection sends a request, waits for the answer and sends the next. A request without an
answer after `--timeout` counts as unanswered, with that time as its latency; after the last second
the requests under way are waited for, so the slow ones are not cut off and hidden. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import time
from collections import Counter
from urllib.parse import urlsplit

import httptools


class Run:
    """One measurement: its settings, its connections and what came back."""

    def __init__(self, options: argparse.Namespace) -> None:
        url = urlsplit(options.url)
        self.host, self.port = url.hostname or "127.0.0.1", url.port or 80
        self.request = (
            f"{options.method} {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            "Accept: */*\r\nUser-Agent: fairway-bench\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        self.expected = re.compile(options.expect.encode())
        self.timeout: float = options.timeout
        self.latencies: list[float] = []
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.connections: set[Connection] = set()
        self.counted_from = self.counted_until = float("inf")

    def is_over(self) -> bool:
        return time.perf_counter() >= self.counted_until

    def count(self, started: float, outcome: str, status: int = 0) -> None:
        """Account one request, unless it ended during warm-up or began too late.

        One that began during warm-up and hangs into the measurement counts: it is not hidden.
        """
        now = time.perf_counter()
        if now < self.counted_from or started >= self.counted_until:
            return
        self.counts[outcome] += 1
        if outcome == "ok" and now <= self.counted_until:
            self.counts["ok_in_time"] += 1
        if status:
            self.statuses[status] += 1
        if outcome != "refused":
            self.latencies.append(now - started)

    async def keep_connected(self) -> None:
        """One connection, opened again whenever the other side closes it."""
        loop = asyncio.get_running_loop()
        while not self.is_over():
            began = time.perf_counter()
            connection = Connection(self)
            try:
                async with asyncio.timeout(self.timeout):
                    await loop.create_connection(lambda c=connection: c, self.host, self.port)
            except (OSError, TimeoutError):
                self.count(began, "refused")
                await asyncio.sleep(0.05)
                continue
            await connection.closed

    async def watch_timeouts(self) -> None:
        """Give up on requests that are older than the timeout."""
        while True:
            await asyncio.sleep(0.1)
            too_old = time.perf_counter() - self.timeout
            for connection in list(self.connections):
                if connection.pending and connection.started < too_old:
                    connection.give_up()


class Connection(asyncio.Protocol):
    """One connection: send, receive, check, again."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.pending = False
        self.started = 0.0
        self.body = b""
        self.parser = httptools.HttpResponseParser(self)
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.run.connections.add(self)
        self.send()

    def send(self) -> None:
        if self.run.is_over():
            self.transport.close()
            return
        self.body = b""
        self.pending = True
        self.started = time.perf_counter()
        self.transport.write(self.run.request)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.finish("wrong")
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        right = status == 200 and self.run.expected.search(self.body)
        self.finish("ok" if right else "wrong", status)
        if self.parser.should_keep_alive():
            self.send()
        else:
            self.transport.close()

    def finish(self, outcome: str, status: int = 0) -> None:
        if self.pending:
            self.pending = False
            self.run.count(self.started, outcome, status)

    def give_up(self) -> None:
        self.finish("unanswered")
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.finish("broken")
        self.run.connections.discard(self)
        if not self.closed.done():
            self.closed.set_result(None)


async def measure(options: argparse.Namespace) -> dict[str, object]:
    """Warm up, measure, wait for what is under way; the account of it."""
    run = Run(options)
    run.counted_from = time.perf_counter() + options.warm_up
    run.counted_until = run.counted_from + options.seconds
    watch = asyncio.create_task(run.watch_timeouts())
    await asyncio.gather(*(run.keep_connected() for _ in range(options.connections)))
    watch.cancel()
    return describe(run, options)


def describe(run: Run, options: argparse.Namespace) -> dict[str, object]:
    """Counts, rates in requests per second, latencies in milliseconds."""
    ordered = sorted(run.latencies)

    def percentile(share: float) -> float | None:
        if not ordered:
            return None
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 2)

    names = ("ok", "wrong", "broken", "refused", "unanswered")
    return {
        "connections": options.connections,
        "seconds": options.seconds,
        "requests_per_second": round(run.counts["ok_in_time"] / options.seconds, 1),
        **{name: run.counts[name] for name in names},
        "statuses": {str(status): count for status, count in sorted(run.statuses.items())},
        "p50_ms": percentile(0.50),
        "p95_ms": percentile(0.95),
        "p99_ms": percentile(0.99),
        "max_ms": percentile(1.0),
        # Of one core, warm-up and drain included: near 1 the generator itself was the limit.
        "generator_cpu": round(time.process_time() / (options.warm_up + options.seconds), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--method", default="POST")
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up", type=float, default=2.0)
    parser.add_argument("--timeout", type=float, default=10.0)
    parser.add_argument("--expect", default="", help="regular expression for the body")
    gc.disable()  # nothing here is cyclic enough to matter within a run
    print(json.dumps(asyncio.run(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
