"""The workers of one generation of one function, and the queue in front of them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from fairway.cloud.functions.failures import Failure
from fairway.cloud.functions.interpreters import Interpreter
from fairway.cloud.functions.job import Host, Job
from fairway.cloud.functions.model import Function, TooManyRequests
from fairway.cloud.functions.worker import State, Worker

# Seconds; "Understanding the Lambda execution environment lifecycle": functions
# with provisioned concurrency may initialize for up to 15 minutes.
_PROVISIONED_INIT = 900.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How far the runtime goes. Times in seconds.

    workers: the most processes for one function, whatever its reserved
    concurrency. queue: invocations that may wait for one function.
    queue_wait: how long one waits before it is throttled. idle: how long a
    worker may have nothing to do (one always stays). init: how long a cold
    start may take before it is tried again within the function's timeout
    ("Understanding the Lambda execution environment lifecycle": 10 seconds).
    """

    workers: int
    queue: int = 5000
    queue_wait: float = 60.0
    idle: float = 60.0
    init: float = 10.0


class Pool:
    """Runs jobs on at most `bound` workers, oldest job first, on the worker used last."""

    def __init__(
        self, function: Function, interpreter: Interpreter, host: Host, limits: Limits
    ) -> None:
        self.function = function
        reserved = function.reserved
        self.bound = limits.workers if reserved is None else min(reserved, limits.workers)
        self._interpreter = interpreter
        self._host = host
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Job] = deque()
        self._idle: list[Worker] = []
        self._workers: set[Worker] = set()
        self._ending: set[Worker] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._retired = False

    # --- jobs -------------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Run a job now or queue it. Raises TooManyRequests."""
        if self._idle:
            self._idle.pop().run(job)
            return
        if len(self._queue) >= self._limits.queue:
            raise TooManyRequests(f"{len(self._queue)} invocations of {self.function.name} wait")
        job.expiry = self._loop.call_later(self._limits.queue_wait, self._expire, job)
        self._queue.append(job)
        self._grow()

    def _expire(self, job: Job) -> None:
        if not job.outcome.done():
            message = f"no worker of {self.function.name} was free within its queue's deadline"
            job.outcome.set_exception(TooManyRequests(message))
        if job in self._queue:
            self._queue.remove(job)

    def _take_job(self) -> Job | None:
        """Take the job that has waited longest and is still wanted."""
        while self._queue:
            job = self._queue.popleft()
            job.leave_queue()
            if not job.outcome.done():
                return job
        return None

    def release_queue(self) -> list[Job]:
        """Give away the jobs that wait: another pool will run them."""
        jobs = [job for job in self._queue if not job.outcome.done()]
        self._queue.clear()
        for job in jobs:
            job.leave_queue()
        return jobs

    # --- workers ----------------------------------------------------------------

    @property
    def _kept(self) -> int:
        """Workers that stay although they have nothing to do."""
        return max(1, min(self.function.provisioned, self.bound))

    def warm(self) -> None:
        """Start one worker ahead of the first job, or all that are provisioned."""
        if not self._workers and self.bound:
            for _ in range(self._kept):
                self._add_worker(self._limits.init)

    def _keep_provisioned(self, lost: Worker) -> None:
        """Replace a provisioned worker; one that never came up would fail again."""
        if lost.provisioned and lost.was_ready and not self._retired:
            self._add_worker(self._limits.init)

    def _grow(self) -> None:
        if len(self._workers) >= self.bound:
            return
        coming = sum(worker.is_coming for worker in self._workers)
        while coming < len(self._queue) and len(self._workers) < self.bound:
            self._add_worker(self._limits.init)
            coming += 1

    def _add_worker(self, patience: float) -> None:
        provisioned = sum(worker.provisioned for worker in self._workers)
        is_provisioned = provisioned < min(self.function.provisioned, self.bound)
        patience = max(patience, _PROVISIONED_INIT) if is_provisioned else patience
        worker = Worker(
            self.function, self._interpreter, self._host, self, patience, is_provisioned
        )
        self._workers.add(worker)

    def welcome(self, worker: Worker) -> None:
        """Give an idle worker the next job, or rest, or the end."""
        job = self._take_job()
        if job is not None:
            worker.run(job)
        elif self._retired:
            worker.stop()
        else:
            self._idle.append(worker)
            if self._sweep is None and len(self._idle) > self._kept:
                self._sweep = self._loop.call_later(self._limits.idle, self._retire_idle)

    def dismiss(self, worker: Worker) -> None:
        """Let a worker go; jobs that wait may need another."""
        if worker not in self._workers:
            return
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if not worker.ended.is_set():
            self._ending.add(worker)
        self._ending = {w for w in self._ending if not w.ended.is_set()}
        self._keep_provisioned(worker)
        self._grow()

    def give_up(self, worker: Worker, failure: Failure) -> None:
        """Fail the job that waited longest: a worker did not come up.

        A cold start that was only slow is tried once more, with the function's
        timeout as its limit.
        """
        job = self._take_job()
        if job is None:
            return
        if failure.timed_out and not job.retried:
            job.retried = True
            job.expiry = self._loop.call_later(self._limits.queue_wait, self._expire, job)
            self._queue.appendleft(job)
            self._workers.discard(worker)
            self._ending.add(worker)
            self._add_worker(self.function.timeout)
            return
        worker.fail_job(job, failure)

    def _retire_idle(self) -> None:
        """End workers that had nothing to do for long, the longest idle first, but one."""
        self._sweep = None
        before = time.monotonic() - self._limits.idle
        spare = [worker for worker in self._idle if worker.idle_since <= before]
        spare = [worker for worker in spare if not worker.provisioned]
        spare = spare[: max(0, len(self._workers) - self._kept)]
        for worker in spare:
            worker.stop()
        if len(self._idle) > self._kept:
            waiting = [worker for worker in self._idle if not worker.provisioned]
            wait = min((w.idle_since for w in waiting), default=time.monotonic()) - before
            self._sweep = self._loop.call_later(max(wait, 0.01), self._retire_idle)

    def retire(self) -> None:
        """Take no more jobs: idle workers end now, busy ones when they are done."""
        self._retired = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for worker in list(self._workers):
            if worker.state is not State.BUSY:
                worker.stop()

    async def close(self) -> None:
        """End every worker, busy or not; returns when their processes are gone."""
        self.retire()
        for job in self.release_queue():
            job.outcome.set_exception(TooManyRequests(f"{self.function.name} is shutting down"))
        for worker in list(self._workers):
            worker.stop()
        for worker in list(self._ending):
            await worker.ended.wait()

    # --- status -----------------------------------------------------------------

    @property
    def is_gone(self) -> bool:
        """Whether a retired pool has no process left."""
        return self._retired and not self._workers and all(w.ended.is_set() for w in self._ending)

    def count(self) -> tuple[int, int, int, list[int]]:
        """Workers, busy ones, jobs that wait, and process ids."""
        busy = sum(worker.state is State.BUSY for worker in self._workers)
        pids = sorted(worker.pid for worker in self._workers if worker.pid)
        return len(self._workers), busy, len(self._queue), pids
