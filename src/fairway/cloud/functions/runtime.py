"""Functions: deploy them, invoke them, replace them, remove them."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fairway.cloud.functions.interpreters import (
    Interpreter,
    Interpreters,
    UnsupportedRuntime,
    read_runtime,
)
from fairway.cloud.functions.job import Host, Job
from fairway.cloud.functions.memory import MemoryWatch
from fairway.cloud.functions.model import (
    Alias,
    Ended,
    Function,
    Invocation,
    PayloadTooLarge,
    TooManyRequests,
    UnknownFunction,
    WriteLog,
)
from fairway.cloud.functions.nodejs import NodeInterpreters
from fairway.cloud.functions.nursery import Nursery
from fairway.cloud.functions.pool import Limits, Pool
from fairway.cloud.functions.quota import Quota

MAX_REQUEST = 6 * 1024 * 1024  # bytes; "Lambda quotas": invocation payload, synchronous


def _unqualify(arn: str) -> str:
    """The ARN of a function without a version or alias: what all of them share."""
    return ":".join(arn.split(":")[:7])


@dataclass(frozen=True, slots=True)
class FunctionStatus:
    """What one function has running. pids: of its workers, replaced ones that finish included."""

    arn: str
    name: str
    workers: int
    busy: int
    queued: int
    bound: int
    pids: tuple[int, ...]


def choose_limits() -> Limits:
    """Choose this machine's limits: two workers a processor, at least four."""
    return Limits(workers=max(4, 2 * (os.cpu_count() or 1)))


class Functions:
    """The function runtime: worker processes for every deployed function.

    base_environment: variables for a function's workers (endpoint,
    credentials), asked at each start of one. inherited: Fairway's own
    environment, of which only PATH, HOME and LANG reach workers; interpreters
    are searched on its PATH. notice: takes plain sentences for the user.
    scratch: a directory of ours alone, emptied at the start and the end.
    observe: takes every invocation that ended or was throttled.
    """

    def __init__(
        self,
        *,
        base_environment: Callable[[Function], Mapping[str, str]],
        write_log: WriteLog,
        notice: Callable[[str], None],
        scratch: Path,
        inherited: Mapping[str, str],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
        draw: Callable[[], float] = random.random,
        observe: Callable[[Ended], None] = lambda ended: None,
    ) -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True, mode=0o700)
        self._notice = notice
        self._limits = limits or choose_limits()
        self._scratch = scratch
        self._interpreters = Interpreters(inherited.get("PATH", os.defpath), scratch)
        own = self._interpreters.find_ours()
        kept = {name: inherited[name] for name in ("PATH", "HOME", "LANG") if name in inherited}
        self._nodes = NodeInterpreters(inherited.get("PATH", os.defpath))
        self._nursery = Nursery(own, kept)
        self._host = Host(
            nursery=self._nursery,
            inherited=inherited,
            base_environment=base_environment,
            write_log=write_log,
            scratch=scratch,
            clock=clock,
            new_id=new_id,
            watch=MemoryWatch(),
            notice=self._notice_once,
        )
        self._draw = draw
        self._observe = observe
        self._aliases: dict[str, Alias] = {}
        self._quotas: dict[str, Quota] = {}
        self._pools: dict[str, Pool] = {}
        self._retired: list[Pool] = []
        self._noticed: set[str] = set()

    async def start(self) -> None:
        """Begin to preload; optional, `put` does it too, but earlier is faster."""
        await self._nursery.start()

    async def put(self, function: Function) -> None:
        """Deploy a function, or replace it when its code or configuration changed.

        One worker starts at once. Invocations from now on go to the new
        generation; those in flight finish on the old one. Raises
        UnsupportedRuntime.
        """
        current = self._pools.get(function.arn)
        if current is not None and current.function == function:
            return
        interpreter = await self._choose_interpreter(function)
        await self._nursery.start()
        quota = Quota(self._limits.workers)
        self._quotas.setdefault(_unqualify(function.arn), quota).reserved = function.reserved
        current = self._pools.get(function.arn)
        pool = self._pools[function.arn] = Pool(function, interpreter, self._host, self._limits)
        pool.warm()
        if current is not None:
            for job in current.release_queue():
                pool.submit(job)
            self._retire(current)

    def set_aliases(self, aliases: Mapping[str, Alias]) -> None:
        """Replace all aliases, by ARN; `invoke` takes those ARNs too."""
        self._aliases = dict(aliases)

    async def remove(self, arn: str) -> None:
        """Forget a function. Invocations in flight finish. Nothing happens for an unknown one."""
        pool = self._pools.pop(arn, None)
        if pool is None:
            return
        for job in pool.release_queue():
            job.outcome.set_exception(UnknownFunction(arn))
        self._retire(pool)

    def _retire(self, pool: Pool) -> None:
        pool.retire()
        self._retired = [p for p in self._retired if not p.is_gone]
        self._retired.append(pool)

    async def invoke(
        self,
        arn: str,
        payload: bytes,
        *,
        trace_id: str | None = None,
        request_id: str | None = None,
    ) -> Invocation:
        """Run one invocation to its end (see model.Invoke).

        request_id: of an earlier attempt at the same event. Raises
        TooManyRequests, UnknownFunction or PayloadTooLarge. A caller that is
        cancelled lets the invocation go on, as Lambda does.
        """
        alias = self._aliases.get(arn)
        pool = self._pools.get(alias.choose(self._draw()) if alias else arn)
        if pool is None:
            raise UnknownFunction(arn)
        if len(payload) > MAX_REQUEST:
            raise PayloadTooLarge(
                f"Request must be smaller than {MAX_REQUEST} bytes for the InvokeFunction operation"
            )
        try:
            return await self._submit(pool, arn, payload, trace_id, request_id)
        except TooManyRequests:
            self._observe(Ended(pool.function.name, arn, pool.function.version, throttled=True))
            raise

    async def _submit(
        self, pool: Pool, arn: str, payload: bytes, trace_id: str | None, request_id: str | None
    ) -> Invocation:
        quota = self._quotas[_unqualify(pool.function.arn)]
        quota.take(pool.function.name)
        job = Job(
            request_id=request_id or str(self._host.new_id()),
            payload=payload,
            trace_id=trace_id or self._make_trace_id(),
            invoked_arn=arn,
            outcome=asyncio.get_running_loop().create_future(),
            release=quota.give_back,
            observe=self._make_observer(pool.function, arn, quota),
        )
        job.outcome.add_done_callback(lambda _: job.note_unbegun_end())
        try:
            pool.submit(job)
        except TooManyRequests:
            job.outcome.cancel()
            raise
        return await job.outcome

    def _make_observer(
        self, function: Function, arn: str, quota: Quota
    ) -> Callable[[float, bool], None]:
        """What is told about an invocation that was just accepted, when it has run."""
        here, everywhere = quota.taken, sum(each.taken for each in self._quotas.values())

        def observe(duration: float, failed: bool) -> None:
            self._observe(
                Ended(
                    function.name,
                    arn,
                    function.version,
                    duration,
                    failed,
                    concurrency=here,
                    total_concurrency=everywhere,
                    reserved=function.reserved is not None,
                )
            )

        return observe

    def _make_trace_id(self) -> str:
        """Make a trace header that nobody samples ("AWS X-Ray", tracing header)."""
        digits = self._host.new_id().hex
        parent = self._host.new_id().hex[:16]
        return f"Root=1-{int(self._host.clock()):08x}-{digits[:24]};Parent={parent};Sampled=0"

    async def _choose_interpreter(self, function: Function) -> Interpreter:
        language, version = read_runtime(function.runtime)
        if language == "nodejs":
            return await self._choose_node(function, version)
        found = await self._interpreters.find(version)
        if found is not None:
            return found
        own = self._interpreters.find_ours()
        self._notice_once(
            f"Python {version} is not installed here: functions with the runtime "
            f"{function.runtime} run on Python {own.version} instead."
        )
        return own

    async def _choose_node(self, function: Function, version: str) -> Interpreter:
        found = await self._nodes.find_nearest(version)
        if found is None:
            raise UnsupportedRuntime(
                f"{function.name} needs Node.js {version}, and no Node.js is installed here",
                hint=f"install Node.js {version} so that `node` is on the PATH",
            )
        if found.version != version:
            self._notice_once(
                f"Node.js {version} is not installed here: functions with the runtime "
                f"{function.runtime} run on Node.js {found.version} instead."
            )
        self._notice_once(
            "The AWS SDK for JavaScript is part of Lambda's Node.js runtimes but not of this "
            "machine's Node.js: functions that use it need it in their package.json."
        )
        return found

    def _notice_once(self, text: str) -> None:
        if text not in self._noticed:
            self._noticed.add(text)
            self._notice(text)

    def describe(self) -> list[FunctionStatus]:
        """Tell what runs, in order of name."""
        statuses = []
        for arn, pool in self._pools.items():
            workers, busy, queued, pids = pool.count()
            for old in self._retired:
                if old.function.arn == arn and not old.is_gone:
                    more, more_busy, _, more_pids = old.count()
                    workers, busy, pids = workers + more, busy + more_busy, pids + more_pids
            statuses.append(
                FunctionStatus(
                    arn, pool.function.name, workers, busy, queued, pool.bound, tuple(pids)
                )
            )
        return sorted(statuses, key=lambda status: status.name)

    async def close(self) -> None:
        """End every process and empty the scratch directory; running invocations fail."""
        pools = [*self._pools.values(), *self._retired]
        self._pools.clear()
        for pool in pools:
            await pool.close()
        await self._nursery.close()
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)
