"""Fuzz the Runtime API in one process, without sockets between: parser, protocol and workers.

    python bench/fuzz_runtime_api.py [--inputs 200000] [--seed 1]

Two halves, with the same requests, most of them damaged: connections in front of
a runtime that only counts, and connections in front of real workers and their pool
(with a nursery that starts nothing). Every input must be answered or dropped, by
whole HTTP answers, without an exception, within five seconds; what does not name
the worker's own Host must reach nobody; and at the end every invocation must have
its outcome. Prints the counts; the exit code is 1 when anything failed.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzzing import PATIENCE, Failed, cut, damage, run_fuzzer

from fairway.cloud.functions import api
from fairway.cloud.functions.interpreters import Interpreter
from fairway.cloud.functions.job import Host, Job
from fairway.cloud.functions.memory import MemoryWatch
from fairway.cloud.functions.model import Function, TooManyRequests
from fairway.cloud.functions.nursery import Exit, Nest
from fairway.cloud.functions.pool import Limits, Pool
from fairway.cloud.functions.worker import State, Worker

HOST = b"127.0.0.1:9001"
ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
_PER_WORKER = 40
_ANSWER = re.compile(rb"HTTP/1\.1 (100|200|202|400|403|404|413) [A-Za-z ]+\r\n")
_BODIES = (
    b"",
    b"{}",
    b'"fine"',
    b'{"errorType": "E", "errorMessage": "m", "stackTrace": []}',
    b'{"errorType": "\\ud800"}',
    b'{"errorType": null}',
    b'{"errorType": ' + b"9" * 5000 + b"}",
    b"[" * 20_000,
    b"\xff\xfe\x00",
    b"x" * 70_000,
)
_PIECES = (
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"\0",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
    b"Connection: close\r\n",
    b"Origin: http://evil.example\r\n",
    b"Host: evil.example\r\n",
    b"GET / HTTP/1.1\r\n",
    b"CONNECT x:1 HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\xe2\x82\xac\xff",
    b"ffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"/../",
    b"%00%2f",
)


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 9001) if name == "sockname" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.closed = True


class Counting:
    """A runtime that takes everything."""

    def __init__(self) -> None:
        self.calls = 0

    def take_next(self, reply: api.Reply) -> None:
        self.calls += 1
        reply(api.render(200, b"", b"{}"))

    def take_result(self, request_id: str, body: bytes, size: int, error: bool) -> bytes:
        self.calls += 1
        if len(body) > size or (size > api.MAX_RESPONSE) != (len(body) != size):
            raise Failed(f"a body of {size} bytes was given as {len(body)}")
        return api.accept()

    def take_init_error(self, body: bytes) -> bytes:
        self.calls += 1
        return api.accept()


class EmptyNursery:
    """Starts nothing, and lets processes end when told."""

    def __init__(self) -> None:
        self._number = 0
        self.exits: dict[int, Callable[[Exit], None]] = {}

    async def wait_ready(self) -> Nest:
        return Nest(frozenset(), False)

    async def start_worker(
        self, launch: object, on_exit: Callable[[Exit], None]
    ) -> tuple[int, int]:
        self._number += 1
        self.exits[self._number] = on_exit
        return self._number, 0

    async def kill_worker(self, number: int) -> None:
        if on_exit := self.exits.pop(number, None):
            asyncio.get_running_loop().call_soon(on_exit, Exit(-9, 0))


def make_request(draw: random.Random, request_id: str) -> bytes:
    """One request, valid for the most part."""
    name = request_id if draw.random() < 0.8 else draw.choice(("", "x" * 300, "é", ID))
    operation = draw.choice(
        (
            "invocation/next",
            "invocation/next",
            f"invocation/{name}/response",
            f"invocation/{name}/response",
            f"invocation/{name}/error",
            "init/error" if draw.random() < 0.1 else "invocation/next",
            "restore/next",
            "",
        )
    )
    get = operation.endswith("next") or draw.random() < 0.05
    host = HOST if draw.random() < 0.95 else draw.choice((b"localhost:9001", b"", b"evil.example"))
    head = (
        f"{'GET' if get else 'POST'} /2018-06-01/runtime/{operation} HTTP/1.1\r\n".encode()
        + b"Host: %s\r\n" % host
    )
    if get:
        return head + b"\r\n"
    body = draw.choice(_BODIES)
    if draw.random() < 0.2:
        half = len(body) // 2
        chunks = [part for part in (body[:half], body[half:]) if part]
        sent = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in chunks)
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + sent + b"0\r\n\r\n"
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def damage_request(draw: random.Random, data: bytes) -> bytes:
    """Change a request in a few places, or not."""
    return damage(draw, data, _PIECES, (0, 0, 1, 1, 2, 5), 400)


def feed(draw: random.Random, connection: api.ApiConnection, wire: Wire, data: bytes) -> None:
    """Deliver an input, in one piece or in several."""
    for piece in cut(draw, data, 0.3, 5):
        if wire.closed:
            return
        connection.data_received(piece)


def check_answers(written: bytes) -> None:
    """Whole answers and nothing else: each with its head and the length that it names."""
    rest = written
    while rest:
        if not _ANSWER.match(rest):
            raise Failed(f"no HTTP answer: {rest[:80]!r}")
        head, _, rest = rest.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        size = int(length[1]) if length else 0
        if len(rest) < size:
            raise Failed(f"an answer of {len(rest)} bytes says {size}")
        rest = rest[size:]


def open_connection(runtime: api.Runtime) -> tuple[api.ApiConnection, Wire]:
    """A connection on a wire of its own."""
    connection, wire = api.ApiConnection(runtime, set()), Wire()
    connection.connection_made(wire)
    return connection, wire


def fuzz_parser(draw: random.Random, counts: Counter[str]) -> None:
    """One input for a fresh connection in front of a runtime that counts."""
    runtime = Counting()
    connection, wire = open_connection(runtime)
    data = damage_request(draw, make_request(draw, ID))
    if draw.random() < 0.1:
        data += damage_request(draw, make_request(draw, ID))
    feed(draw, connection, wire, data)
    check_answers(bytes(wire.written))
    if runtime.calls and b"127.0.0.1:9001" not in data:
        raise Failed("a request without the worker's Host was served")
    counts["served"] += runtime.calls
    counts["dropped"] += wire.closed


def make_function() -> Function:
    """The function of the fuzzed workers."""
    return Function(
        arn="arn:aws:lambda:eu-west-1:000000000000:function:fuzzed",
        name="fuzzed",
        runtime="python3.11",
        handler="app.handler",
        timeout=900,
        memory=128,
        code=Path("/nowhere"),
        code_sha256="",
        log_group="/aws/lambda/fuzzed",
        region="eu-west-1",
    )


def make_host(scratch: Path) -> Host:
    """What the fuzzed workers share."""
    return Host(
        nursery=EmptyNursery(),  # type: ignore[arg-type]
        inherited={},
        base_environment=lambda _: {},
        write_log=lambda group, stream, lines: json.dumps(lines).encode(),
        scratch=scratch,
        clock=time.time,
        new_id=uuid.uuid4,
        watch=MemoryWatch(),
        notice=lambda _: None,
    )


def submit_job(pool: Pool, counts: Counter[str]) -> asyncio.Future[Any] | None:
    """Ask for one invocation."""
    outcome = asyncio.get_running_loop().create_future()
    job = Job(str(uuid.uuid4()), b"{}", "Root=1", "arn", outcome, lambda: None)
    counts["invocations"] += 1
    try:
        pool.submit(job)
    except TooManyRequests:
        return None
    return outcome


async def fuzz_workers(draw: random.Random, scratch: Path, counts: Counter[str]) -> int:
    """A pool of real workers and some dozens of inputs; returns how many."""
    interpreter = Interpreter("/nowhere", "3.11", Path("/nowhere"), ours=True)
    pool = Pool(make_function(), interpreter, make_host(scratch), Limits(workers=2))
    pool.warm()
    outcomes = [submit_job(pool, counts) for _ in range(3)]
    lines: dict[Worker, tuple[api.ApiConnection, Wire]] = {}
    for _ in range(_PER_WORKER):
        for _ in range(2):
            await asyncio.sleep(0)
        workers = list(pool._workers)
        if not workers:
            outcomes.append(submit_job(pool, counts))
            continue
        worker = draw.choice(workers)
        if worker not in lines or lines[worker][1].closed:
            lines[worker] = open_connection(worker)
        connection, wire = lines[worker]
        known = worker._job.request_id if worker._job else ID
        data = make_request(draw, known)
        feed(draw, connection, wire, damage_request(draw, data) if draw.random() < 0.5 else data)
        if worker.state is State.IDLE and draw.random() < 0.7:
            outcomes.append(submit_job(pool, counts))
    for _, wire in lines.values():
        check_answers(bytes(wire.written))
    await asyncio.wait_for(pool.close(), PATIENCE)
    await asyncio.sleep(0)
    if not all(outcome is None or outcome.done() for outcome in outcomes):
        raise Failed("an invocation was left without an outcome")
    answered = [o for o in outcomes if o is not None and o.exception() is None]
    counts["answered"] += len(answered)
    return _PER_WORKER


async def fuzz(
    inputs: int, seed: int, counts: Counter[str], watch: Callable[[], object] = lambda: None
) -> None:
    """Run the inputs, half of each kind; `watch` is called before some dozens. Raises Failed."""
    draw = random.Random(seed)
    broken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, report: broken.append(report))
    with tempfile.TemporaryDirectory() as scratch:
        while counts["inputs"] < inputs:
            watch()
            for _ in range(_PER_WORKER):
                fuzz_parser(draw, counts)
            counts["inputs"] += _PER_WORKER
            counts["inputs"] += await fuzz_workers(draw, Path(scratch), counts)
            if broken:
                raise Failed(repr(broken[0]))


def main(arguments: list[str]) -> int:
    """Run and print the counts; returns the exit code."""
    shown = ("served", "dropped", "invocations", "answered")
    return run_fuzzer(fuzz, arguments, __doc__, 200_000, shown)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
