"""A function runtime with real workers, for one test at a time."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairway.cloud.functions.model import Function
from fairway.cloud.functions.pool import Limits
from fairway.cloud.functions.runtime import Functions

DEADLINE = 30.0


class Trial:
    """Deploys handlers given as text and records what they log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scratch = folder / "scratch"
        self.records: list[tuple[str, str, int, str]] = []
        self.notices: list[str] = []

    @property
    def texts(self) -> list[str]:
        return [text for _, _, _, text in self.records]

    def told(self, about: str) -> list[str]:
        return [notice for notice in self.notices if about in notice]

    def write_log(self, group: str, stream: str, lines: list[tuple[int, str]]) -> None:
        self.records += [(group, stream, when, text) for when, text in lines]

    def build(
        self, source: str, name: str = "fn", file: str = "app.py", **changes: Any
    ) -> Function:
        text = textwrap.dedent(source)
        digest = hashlib.sha256((file + text).encode()).hexdigest()
        code = self.folder / f"code-{digest[:8]}"
        code.mkdir(exist_ok=True)
        (code / file).write_text(text)
        function = Function(
            arn=f"arn:aws:lambda:eu-west-1:000000000000:function:{name}",
            name=name,
            runtime="python3.11",
            handler="app.handler",
            timeout=10,
            memory=128,
            code=code,
            code_sha256=digest,
            log_group=f"/aws/lambda/{name}",
            region="eu-west-1",
        )
        return replace(function, **changes)

    def run(
        self,
        scenario: Callable[[Functions], Awaitable[Any]],
        *,
        inherited: dict[str, str] | None = None,
        draw: Callable[[], float] = random.random,
        **limits: Any,
    ) -> Any:
        async def play() -> Any:
            functions = Functions(
                base_environment=lambda _: {
                    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
                    "AWS_ACCESS_KEY_ID": "test-key",
                    "AWS_SECRET_ACCESS_KEY": "test-secret",
                },
                write_log=self.write_log,
                notice=self.notices.append,
                scratch=self.scratch,
                inherited=inherited or {"PATH": os.defpath, "HOME": str(self.folder)},
                draw=draw,
                limits=Limits(**{"workers": 4, **limits}),
            )
            try:
                return await scenario(functions)
            finally:
                await functions.close()

        return asyncio.run(asyncio.wait_for(play(), DEADLINE))

    @staticmethod
    async def until(condition: Callable[[], Any]) -> None:
        """Wait until something is so; the deadline of the test ends it otherwise."""
        while not condition():
            await asyncio.sleep(0.005)


def is_alive(pid: int) -> bool:
    """Whether a process runs (one that is dead and not yet waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


@pytest.fixture
def alive() -> Callable[[int], bool]:
    return is_alive
