"""What workers write: from a pipe to lines in a CloudWatch Logs stream, in the right order."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable

from fairway.cloud.functions.model import WriteLog

MAX_EVENT = 1_000_000  # bytes; PutLogEvents: an event can be no larger than 1 MB
TAIL = 4096  # bytes; Invoke, LogType: "the last 4 KB of the execution log"
_CHUNK = 65_536
_FLUSH_AFTER = 0.05  # seconds that a line may wait for company
_MOST_LINES = 1000


class LogStream:
    """One stream of one worker. Bytes in, timed lines out, a tail of each invocation kept."""

    def __init__(self, group: str, name: str, write: WriteLog, clock: Callable[[], float]) -> None:
        self.name = name
        self._group = group
        self._write = write
        self._clock = clock
        self._partial = b""
        self._lines: list[tuple[int, str]] = []
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin_tail(self) -> None:
        """Forget the last invocation's output: another one begins."""
        self._tail.clear()
        self._tail_size = 0

    def read_tail(self) -> bytes:
        """Give the end of this invocation's log, at most 4 KB."""
        return "".join(f"{line}\n" for line in self._tail).encode()[-TAIL:]

    def write_line(self, text: str) -> None:
        """Add a line of the platform's own, after what the worker wrote so far."""
        if self._partial:
            self._add(self._partial)
            self._partial = b""
        self._add_text(text)

    def feed(self, data: bytes) -> None:
        """Take what the worker wrote: any bytes, lines or not."""
        *lines, rest = (self._partial + data).split(b"\n")
        for line in lines:
            self._add(line)
        while len(rest) > MAX_EVENT:
            self._add(rest[:MAX_EVENT])
            rest = rest[MAX_EVENT:]
        self._partial = rest

    def _add(self, line: bytes) -> None:
        for start in range(0, max(len(line), 1), MAX_EVENT):
            text = line[start : start + MAX_EVENT].decode("utf-8", "replace")
            # awslambdaric separates the lines of one error by carriage returns.
            self._add_text(text.rstrip("\r").replace("\r", "\n") if "\r" in text else text)

    def _add_text(self, text: str) -> None:
        self._lines.append((int(self._clock() * 1000), text))
        self._tail.append(text)
        self._tail_size += len(text) + 1
        while self._tail_size - len(self._tail[0]) - 1 >= TAIL:
            self._tail_size -= len(self._tail.popleft()) + 1
        if len(self._lines) >= _MOST_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_AFTER, self.flush)

    def flush(self) -> None:
        """Hand the collected lines on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            lines, self._lines = self._lines, []
            try:
                self._write(self._group, self.name, lines)
            except Exception as error:  # a log that cannot be stored must not cost an answer
                report = {"message": "a function's log was not stored", "exception": error}
                asyncio.get_running_loop().call_exception_handler(report)

    def close(self) -> None:
        """Hand on everything, also a last line without an end."""
        if self._partial:
            self._add(self._partial)
            self._partial = b""
        self.flush()


class LogPipe:
    """The reading end of a worker's stdout and stderr, which share one pipe to keep their order."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        self._loop.add_reader(self._reading, self._read)

    def close_writing(self) -> None:
        """Let go of the worker's end, once the worker has it."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def _read(self) -> bool:
        """Read once; false when there is nothing (more)."""
        try:
            data = os.read(self._reading, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._reading)
            return False
        self._stream.feed(data)
        return len(data) == _CHUNK

    def drain(self) -> None:
        """Read what is in the pipe now: all that the worker wrote before it last spoke to us."""
        if self._reading >= 0:
            for _ in range(64):  # a writer that never stops must not hold us
                if not self._read():
                    return

    def close(self) -> None:
        """Read the rest and let the pipe go, whoever else may still hold its other end."""
        if self._reading >= 0:
            self.drain()
            self._loop.remove_reader(self._reading)
            os.close(self._reading)
            self._reading = -1
        self.close_writing()
