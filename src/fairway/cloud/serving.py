"""The cloud's own process, forked by the supervisor: from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import uvloop

from fairway.cloud.control.settings import CloudSettings
from fairway.cloud.info import LOG
from fairway.cloud.supervisor import UNABLE

LOG_LIMIT = 2_000_000
"""Bytes of cloud.log before it is rotated; two are kept."""

STOP_LIMIT = 10.0
"""Seconds for stopping in order; a cloud that cannot be stopped would keep its directory."""

_ORPHAN_CHECK = 1.0

Say = Callable[[str], None]


def serve_cloud(
    settings: CloudSettings,
    publish: Callable[[str], None],
    say: Say,
    supervisor_pid: int,
    restarts: int,
) -> int:
    """Run the cloud in this process until its end; the exit code.

    publish: called with the endpoint when it answers. say: takes a line for cloud.log.
    """
    # Not asyncio.run, which waits for every task: an operation of the emulator may wait for
    # minutes, and everything is saved. The supervisor ends the process at once.
    loop = uvloop.new_event_loop()
    return loop.run_until_complete(run_cloud(settings, publish, say, supervisor_pid, restarts))


def configure_logging(directory: Path) -> None:
    """Send everything that is logged into cloud.log, which stays bounded."""
    handler = RotatingFileHandler(directory / LOG, maxBytes=LOG_LIMIT, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # At every start it asks for a package that only signing with keys would need.
    logging.getLogger("kms").setLevel(logging.ERROR)


async def run_cloud(
    settings: CloudSettings,
    publish: Callable[[str], None],
    say: Say,
    supervisor_pid: int,
    restarts: int,
) -> int:
    """Run the cloud in this process until SIGTERM, SIGINT or the supervisor's end."""
    from fairway.cloud.control.journal import StateUnusable
    from fairway.cloud.control.ports import PortsUnusable

    configure_logging(settings.directory)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        from fairway.cloud.composition import Cloud

        cloud = Cloud(settings, os.environ)
        if restarts:
            cloud.notices.add(f"The cloud died and was started again ({restarts} times so far).")
        if not await _start(cloud.start(), stop, say):
            return 0
    except (StateUnusable, PortsUnusable) as error:
        # In the user's hands: no traceback, and no other attempt.
        say(f"the cloud could not start: {error}")
        return UNABLE
    except Exception as error:
        logging.getLogger(__name__).exception("the cloud could not start")
        say(f"the cloud could not start: {type(error).__name__}: {error}")
        if restarts == 0:
            return UNABLE
        raise
    try:
        if not stop.is_set():
            publish(cloud.endpoint)
        await _wait_for_end(stop, supervisor_pid)
    finally:
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await cloud.stop()
        except TimeoutError:
            say(f"the cloud did not stop in order within {STOP_LIMIT:g} s; ending it")
    return 0


async def _start(starting: Coroutine[Any, Any, None], stop: asyncio.Event, say: Say) -> bool:
    """Start; False when told to stop meanwhile and the start does not come to an end.

    Nothing is lost then: what was acknowledged is written, as before every kill.
    """
    start, told = asyncio.ensure_future(starting), asyncio.ensure_future(stop.wait())
    await asyncio.wait({start, told}, return_when=asyncio.FIRST_COMPLETED)
    if not start.done():
        await asyncio.wait({start}, timeout=STOP_LIMIT)
    told.cancel()
    if not start.done():
        say(f"the cloud did not finish its start within {STOP_LIMIT:g} s of its end; ending it")
        return False
    await start
    return True


async def _wait_for_end(stop: asyncio.Event, supervisor_pid: int) -> None:
    """Return when told to stop, or when the supervisor is gone."""
    while not stop.is_set() and os.getppid() == supervisor_pid:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _ORPHAN_CHECK)
