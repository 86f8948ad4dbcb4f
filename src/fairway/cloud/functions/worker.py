"""One worker: a process under the official runtime client, its port, its log, its one job."""

from __future__ import annotations

import asyncio
import shutil
import time
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from fairway.cloud.functions import api
from fairway.cloud.functions.environment import build_environment
from fairway.cloud.functions.failures import (
    Failure,
    explain_exit,
    explain_memory,
    explain_size,
    explain_start,
    explain_timeout,
    read_init_error,
)
from fairway.cloud.functions.interpreters import Interpreter
from fairway.cloud.functions.job import Host, Job
from fairway.cloud.functions.logs import LogPipe, LogStream
from fairway.cloud.functions.memory import Gauge
from fairway.cloud.functions.model import Function, Invocation
from fairway.cloud.functions.nursery import Exit, Launch
from fairway.cloud.functions.report import Report

# Seconds: a handler that answers sooner has hardly had the time to fill its memory.
_BRIEF = 0.01


class State(Enum):
    """The life of a worker."""

    STARTING = auto()
    IDLE = auto()
    BUSY = auto()
    GONE = auto()


class Owner(Protocol):
    """Who hands out jobs. Called on the loop."""

    def welcome(self, worker: Worker) -> None:
        """Take note that the worker is idle."""

    def dismiss(self, worker: Worker) -> None:
        """Take note that the worker takes no more jobs, whatever it was doing."""

    def give_up(self, worker: Worker, failure: Failure) -> None:
        """Take note that the worker failed before it was ever idle."""


class Worker:
    """A worker process. It reports to its owner; `stop` ends it from any state."""

    def __init__(
        self,
        function: Function,
        interpreter: Interpreter,
        host: Host,
        owner: Owner,
        patience: float,
        provisioned: bool = False,
    ) -> None:
        self.was_ready = False
        self.provisioned = provisioned
        self.state = State.STARTING
        self.idle_since = 0.0
        self.pid = 0
        self.ended = asyncio.Event()
        self._function = function
        self._interpreter = interpreter
        self._host = host
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._identity = host.new_id().hex
        self._folder = host.scratch / f"worker-{self._identity}"
        day = time.strftime("%Y/%m/%d", time.gmtime(host.clock()))
        stream = f"{day}/[{function.version}]{self._identity}"
        self._log = LogStream(function.log_group, stream, host.write_log, host.clock)
        self._pipe = LogPipe(self._log)
        self._api = api.RuntimeApi(self)
        self._memory: Gauge | None = None
        self._number = 0
        self._job: Job | None = None
        self._reply: api.Reply | None = None
        self._started = time.monotonic()
        self._job_started = 0.0
        self._init_duration: float | None = None
        self._patience = patience
        self._timer = self._loop.call_later(patience, self._give_up_waiting)
        self._task: asyncio.Task[None] | None = self._loop.create_task(self._start())

    @property
    def is_coming(self) -> bool:
        """Whether it will soon be idle: it starts, or has answered and is about to come back."""
        return self.state is State.STARTING or (self.state is State.BUSY and self._job is None)

    # --- starting ---------------------------------------------------------------

    async def _start(self) -> None:
        runtime = f"{self._interpreter.language}:{self._interpreter.version}.local"
        self._log.write_line(
            f"INIT_START Runtime Version: {runtime}\t"
            f"Runtime Version ARN: arn:aws:lambda:{self._function.region}::runtime:local"
        )
        try:
            nest = await self._host.nursery.wait_ready()
            launch = await self._prepare_launch(private_tmp=nest.mounts)
            self._restart_clock()  # the nursery's own start is not the function's
            self._number, self.pid = await self._host.nursery.start_worker(launch, self._note_exit)
        except Exception as error:  # also what base_environment may raise: the job must not hang
            self._fail_start(explain_start(str(error)))
            self._finish_end()
            return
        finally:
            self._pipe.close_writing()
        if self.ended.is_set():
            return
        self._memory = Gauge(self.pid)
        self._host.watch.add(self)
        if self.state is State.GONE:  # stopped while it started
            await self._host.nursery.kill_worker(self._number)

    async def _prepare_launch(self, *, private_tmp: bool) -> Launch:
        temporary = self._folder / "tmp"
        temporary.mkdir(parents=True)
        private_tmp = private_tmp and not self._needs_tmp()
        if not private_tmp:
            self._host.notice(
                "Functions see this machine's own /tmp here; TMPDIR names a directory of each "
                "worker's own."
            )
        address = await self._api.open()
        environment = build_environment(
            self._function,
            inherited=self._host.inherited,
            base=self._host.base_environment(self._function),
            runtime_api=address,
            log_stream=self._log.name,
            packages=self._interpreter.packages,
            temporary=None if private_tmp else temporary,
            provisioned=self.provisioned,
        )
        return Launch(
            interpreter=self._interpreter,
            code=self._function.code,
            handler=self._function.handler,
            environment=environment,
            log=self._pipe.writing,
            temporary=temporary if private_tmp else None,
        )

    def _needs_tmp(self) -> bool:
        """Whether what it runs lies in the machine's /tmp, which another /tmp would hide."""
        packages, program = self._interpreter.packages, Path(self._interpreter.program)
        # Packages are links into an environment, and its program may be one out of it.
        needed = (self._function.code, self._folder, packages, *packages.iterdir(), program)
        places = [program, *(part.resolve() for part in needed)]
        return any(place.is_relative_to("/tmp") for place in places)  # noqa: S108

    def _restart_clock(self) -> None:
        self._timer.cancel()
        if self.state is State.STARTING:
            self._timer = self._loop.call_later(self._patience, self._give_up_waiting)
        self._started = time.monotonic()

    def _give_up_waiting(self) -> None:
        """Fail: initialization takes too long."""
        self._fail_start(explain_timeout(time.monotonic() - self._started))

    def _fail_start(self, failure: Failure) -> None:
        if self.state is not State.STARTING:
            return
        self._pipe.drain()
        spent = (time.monotonic() - self._started) * 1000
        self._log.write_line(
            f"INIT_REPORT Init Duration: {spent:.2f} ms\tPhase: init\t{failure.status}"
        )
        self._owner.give_up(self, failure)
        self.stop()

    def fail_job(self, job: Job, failure: Failure) -> None:
        """End a job that this worker never began, because the worker did not come up."""
        self._begin(job)
        self._job_started = self._started
        self._end_with(job, failure)

    # --- what the runtime client says -------------------------------------------

    def take_next(self, reply: api.Reply) -> None:
        """Be ready: the client asks for an invocation."""
        if self.state is State.GONE:
            return  # its kill is on the way
        if self._job is not None:
            reply(api.refuse(403, "InvalidStateTransition", "an invocation is still unanswered"))
            return
        if self.state is State.IDLE:  # asked again, over another connection: that one counts
            self._reply = reply
            return
        now = time.monotonic()
        self._timer.cancel()
        if self.state is State.STARTING:
            if self._is_over_memory():
                self._fail_start(explain_memory())
                return
            self._init_duration = (now - self._started) * 1000
            self.was_ready = True
        self._host.watch.discard(self)
        self._reply = reply
        self.state = State.IDLE
        self.idle_since = now
        self._owner.welcome(self)

    def take_result(self, request_id: str, body: bytes, size: int, error: bool) -> bytes:
        """Take the answer to the invocation."""
        job = self._job
        if self.state is State.GONE:
            return b""
        if job is None or request_id != job.request_id:
            return api.refuse(400, "InvalidRequestID", "Invalid request ID")
        if time.monotonic() - self._job_started > _BRIEF and self._is_over_memory():
            self._end_with(job, explain_memory())
            self.stop()
            return b""
        if size > api.MAX_RESPONSE:
            self._end_with(job, explain_size(size))
            return api.refuse(
                413,
                "RequestEntityTooLarge",
                f"Exceeded maximum allowed payload size ({api.MAX_RESPONSE} bytes).",
            )
        self._end(job, body, error=error)
        return api.accept()

    def take_init_error(self, body: bytes) -> bytes:
        """Fail: the client could not load the handler."""
        if self.state is not State.STARTING:
            return api.refuse(403, "InvalidStateTransition", "initialization is over")
        # Its process ends itself: it is told first that it was heard.
        self._loop.call_soon(self._fail_start, read_init_error(body))
        return api.accept()

    # --- a job ------------------------------------------------------------------

    def run(self, job: Job) -> None:
        """Hand a job to the idle worker."""
        reply, self._reply = self._reply, None
        assert reply is not None
        self.state = State.BUSY
        self._begin(job)
        timeout = self._function.timeout
        deadline = int((self._host.clock() + timeout) * 1000)
        headers = (
            "Content-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {job.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {job.invoked_arn}\r\n"
            f"Lambda-Runtime-Trace-Id: {job.trace_id}\r\n"
        )
        self._timer = self._loop.call_later(timeout, self._time_out)
        reply(api.render(200, headers.encode("latin-1", "replace"), job.payload))

    def _begin(self, job: Job) -> None:
        job.begun = True
        self._job = job
        if self._memory:
            self._host.watch.add(self)
        self._job_started = time.monotonic()
        self._log.begin_tail()
        self._log.write_line(f"START RequestId: {job.request_id} Version: {self._function.version}")

    def _time_out(self) -> None:
        if self._job is not None:
            self._end_with(self._job, explain_timeout(self._function.timeout))
        self.stop()

    def _end_with(self, job: Job, failure: Failure) -> None:
        """End a job that the handler did not answer."""
        self._pipe.drain()
        if failure.timed_out:
            now = self._host.clock()
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            self._log.write_line(
                f"{stamp}.{int(now * 1000) % 1000:03d}Z {job.request_id} {failure.message}"
            )
        elif failure.body is None:
            self._log.write_line(f"{failure.say(job.request_id)}\n{failure.error_type}")
        document = failure.build_document(job.request_id)
        self._end(job, document, error=True, failure=failure)

    def _end(
        self, job: Job, payload: bytes, *, error: bool, failure: Failure | None = None
    ) -> None:
        """Log the end of a job and give its outcome to whoever waits."""
        now = time.monotonic()
        self._job = None  # the timeout goes on until the client asks for the next one
        self._pipe.drain()
        duration = now - self._job_started
        if failure and failure.timed_out:  # a loop's timer may be a millisecond early
            duration = max(duration, self._function.timeout)
        report = Report(
            request_id=job.request_id,
            duration=duration * 1000,
            memory_size=self._function.memory,
            memory_used=self._read_memory(now),
            init_duration=self._init_duration,
            status=failure.status if failure else None,
        )
        self._init_duration = None
        for line in report.render():
            self._log.write_line(line)
        self._log.flush()
        if not job.outcome.done():
            outcome = Invocation(
                request_id=job.request_id,
                payload=payload,
                error="Unhandled" if error else None,
                timed_out=failure.timed_out if failure else False,
                duration=report.duration,
                log_tail=self._log.read_tail(),
                version=self._function.version,
            )
            job.outcome.set_result(outcome)
        job.release()
        job.observe(report.duration, error)

    # --- memory -----------------------------------------------------------------

    def check_memory(self) -> None:
        """End the process when it uses more memory than the function has."""
        if self._memory is None or self._memory.look() <= self._function.memory * 1024:
            return
        if self._job is not None:
            self._end_with(self._job, explain_memory())
        self._fail_start(explain_memory())
        self.stop()

    def _is_over_memory(self) -> bool:
        """Whether it has used too much for so short a time that nobody looked."""
        if self._memory is None:
            return False
        peak = self._memory.read_peak(time.monotonic(), fresh=True)
        return peak > self._function.memory * 1024

    def _read_memory(self, now: float) -> int:
        """MB used at most, as a report line says: no more than there is."""
        peak = self._memory.read_peak(now) if self._memory else 0
        return min(-(-peak // 1024), self._function.memory)

    # --- the end ----------------------------------------------------------------

    def stop(self) -> None:
        """Take no more jobs and kill the process; safe in any state, any number of times."""
        if self.state is State.GONE:
            return
        self.state = State.GONE
        self._timer.cancel()
        self._host.watch.discard(self)
        self._owner.dismiss(self)
        if self._number and not self.ended.is_set():
            self._task = self._loop.create_task(self._host.nursery.kill_worker(self._number))

    def _note_exit(self, end: Exit) -> None:
        """Take note that the process has ended, by itself or by us."""
        if self._memory:
            self._memory.record(end.peak)
        failure = explain_exit(end.status)
        self._pipe.drain()
        if self._job is not None:
            self._end_with(self._job, failure)
        self._fail_start(failure)
        self._finish_end()

    def _finish_end(self) -> None:
        self.ended.set()
        self.stop()
        self._api.close()  # not before: the client would fill the log with its complaint
        self._pipe.close()
        self._log.close()
        if self._memory:
            self._memory.close()
        self._loop.run_in_executor(None, shutil.rmtree, self._folder, True)
