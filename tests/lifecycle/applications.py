"""An application in a directory of its own, driven as its user would."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.waiting import PATIENCE, wait_until

from fairway.aws import Aws, Endpoint
from fairway.cli.main import run
from fairway.cloud.launch import find_cloud, stop_cloud

FAIRWAY = Path(sys.executable).with_name("fairway")

# CloudFormation takes it; S3 refuses a policy on a bucket that is not there.
REFUSED = """
resources:
  Extra:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: this-bucket-is-not-there
      PolicyDocument:
        Version: "2012-10-17"
        Statement: []
"""


@dataclass(frozen=True)
class Answer:
    """What an address answered; header names are in lower case."""

    status: int
    text: str
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Outcome:
    """What a command did: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    def expect(self, code: int = 0) -> Self:
        assert self.code == code, f"exit code {self.code}\n{self.out}\n{self.err}"
        assert "Traceback" not in self.err
        return self


def tell_seconds(what: str, seconds: float) -> None:
    """A figure for those who run with -s; no test asserts one."""
    print(f"\n{what}: {seconds:.3f} s")  # noqa: T201


def ask(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request over a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
    try:
        path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        text = response.read().decode()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, text, found)
    finally:
        connection.close()


def run_command(*arguments: str) -> Outcome:
    """Run the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(arguments))
    return Outcome(code, out.getvalue(), err.getvalue())


def find_processes(directory: Path) -> list[int]:
    """Processes that were started on a directory, by their command lines."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{directory}/".encode() in (entry / "cmdline").read_bytes() + b"/":
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


@dataclass(frozen=True)
class Application:
    """A directory with a fairway.yml."""

    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / "fairway.yml"

    def fairway(self, verb: str, *arguments: str) -> Outcome:
        return run_command(verb, "-C", str(self.directory), *arguments)

    def apply(self) -> Outcome:
        return self.fairway("apply", "--yes").expect()

    def replace(self, old: str, new: str, file: str = "fairway.yml") -> None:
        """Edit a file as an editor does: the whole new text at once."""
        path = self.directory / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        fresh = path.with_suffix(".saving")
        fresh.write_text(text.replace(old, new, 1))
        fresh.replace(path)

    def add(self, text: str) -> None:
        """Append to fairway.yml."""
        with self.file.open("a") as file:
            file.write(text)

    def status(self) -> Any:
        return self.fairway("status", "--json").expect().json()

    def url(self, name: str = "web") -> str:
        return str(self.status()["urls"][name])

    def aws(self) -> Aws:
        info = find_cloud(self.directory / ".fairway")
        assert info is not None, "the local cloud does not run"
        return Aws(Endpoint(info.region, info.endpoint, info.access_key, info.secret_key))

    def list_lines(self, *arguments: str) -> list[str]:
        """The texts of the application's log lines."""
        out = self.fairway("logs", "--json", *arguments).expect().out
        return [json.loads(line)["text"] for line in out.splitlines()]

    def stop(self) -> None:
        stop_cloud(self.directory / ".fairway")
        wait_until(lambda: not find_processes(self.directory), "processes are left behind")


class Running:
    """`fairway` as a process of its own, its output readable while it runs."""

    def __init__(self, arguments: Sequence[str], output: Path, **options: Any) -> None:
        self._output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                [str(FAIRWAY), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                **options,
            )

    @property
    def text(self) -> str:
        return self._output.read_text()

    def wait_for(
        self, text: str, times: int = 1, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        """Wait until it has written a text so often; `meanwhile` is done again and again."""

        def holds() -> bool:
            meanwhile()
            if self.text.count(text) >= times:
                return True
            assert self.process.poll() is None, f"ended before {text!r}:\n{self.text}"
            return False

        try:
            wait_until(holds, text)
        except AssertionError as error:
            raise AssertionError(f"{text!r} did not come:\n{self.text}") from error

    def end(self, signal_number: int) -> int:
        self.process.send_signal(signal_number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def running(arguments: Sequence[str], output: Path, **options: Any) -> Iterator[Running]:
    """Start `fairway` and make sure that it has ended afterwards."""
    started = Running(arguments, output, **options)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait()


class Terminal:
    """`fairway` on a terminal of its own, as a person has it."""

    def __init__(self, *arguments: str) -> None:
        self.text = ""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execv(FAIRWAY, [str(FAIRWAY), *arguments])

    def read_until(self, text: str) -> None:
        """Read until the text comes; fails when it does not."""
        while text not in self.text:
            assert self._read(), f"{text!r} did not come:\n{self.text}"

    def write(self, keys: bytes) -> None:
        """Press keys as soon as it listens: a Ctrl-C between its question and that is lost."""
        wait_until(self._is_waiting, "it does not listen")
        os.write(self._terminal, keys)

    def _is_waiting(self) -> bool:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return "\nState:\tS" in status or "\nState:\tZ" in status

    def end(self) -> int:
        """Read to the end; the exit code."""
        while self._read():
            pass
        _, status = os.waitpid(self._pid, 0)
        os.close(self._terminal)
        assert "Traceback" not in self.text
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], PATIENCE)
        assert ready, f"nothing came any more:\n{self.text}"
        try:
            self.text += os.read(self._terminal, 65536).decode("utf-8", "replace")
        except OSError:  # EIO: the other side is gone
            return False
        return True
