"""The local cloud's process: `python -m fairway.cloud.process --directory DIR --region REGION`.

A light supervisor forks the cloud itself. Only one runs per directory: a lock
file, held open by both, says so whatever becomes of pid files.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from logging.handlers import RotatingFileHandler
from pathlib import Path

from fairway.cloud.control.settings import CloudSettings, load_settings
from fairway.cloud.info import LOG, CloudInfo, read_start, remove_info, write_info
from fairway.cloud.supervisor import TAKEN, UNABLE, Supervisor

LOG_LIMIT = 2_000_000
"""Bytes of cloud.log before it is rotated; two are kept."""

STOP_LIMIT = 10.0
"""Seconds for stopping in order; a cloud that cannot be stopped would keep its directory."""

_ORPHAN_CHECK = 1.0


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="fairway.cloud.process")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--ready-fd", type=int, help="a byte is written here when ready")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run until told to stop; returns the exit code."""
    asked = parse_arguments(arguments)
    directory = asked.directory.resolve()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = lock_directory(directory)
        if lock is None:
            sys.stderr.write("another cloud is running on this directory\n")
            return TAKEN
        settings = load_settings(directory, asked.region)
    except OSError as error:
        sys.stderr.write(f"{error.filename} cannot be written: {error.strerror}\n")
        return UNABLE
    token = secrets.token_hex(8)
    supervisor_pid = os.getpid()
    started = read_start(supervisor_pid) or ""

    def publish(endpoint: str) -> None:
        write_info(
            CloudInfo(
                directory=str(directory),
                endpoint=endpoint,
                region=settings.region,
                account=settings.account,
                access_key=settings.access_key,
                secret_key=settings.secret_key,
                pid=supervisor_pid,
                started=started,
                started_at=time.time(),
                version=version("fairway"),
                token=token,
            )
        )
        if not _tell_ready(asked.ready_fd) and is_first:
            # Whoever started it was interrupted meanwhile and will not stop it.
            os.kill(supervisor_pid, signal.SIGTERM)

    is_first = True

    def child(restarts: int) -> int:
        nonlocal is_first
        is_first = restarts == 0
        # Not asyncio.run, which waits for every task: an operation of the emulator may wait for
        # minutes, and everything is saved. The supervisor ends the process at once.
        loop = asyncio.new_event_loop()
        return loop.run_until_complete(run_cloud(settings, publish, supervisor_pid, restarts))

    try:
        return Supervisor(child, _say).run()
    finally:
        remove_info(directory)
        os.close(lock)


def lock_directory(directory: Path) -> int | None:
    """Take the directory for this process tree; None when another has it."""
    descriptor = os.open(directory / "cloud.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _tell_ready(descriptor: int | None) -> bool:
    """Write the byte that says ready; False when nobody waits for it, or no longer."""
    if descriptor is None:
        return True
    try:
        os.write(descriptor, b"R")
        os.close(descriptor)
    except OSError:
        return False
    return True


def _say(text: str) -> None:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    sys.stderr.write(f"{stamp} {text}\n")
    sys.stderr.flush()


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
    supervisor_pid: int,
    restarts: int,
) -> int:
    """Run the cloud in this process until SIGTERM, SIGINT or the supervisor's end."""
    from fairway.cloud.control.journal import StateUnusable

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
        await cloud.start()
    except StateUnusable as error:  # in the user's hands: no traceback, and no other attempt
        _say(f"the cloud could not start: {error}")
        return UNABLE
    except Exception as error:
        logging.getLogger(__name__).exception("the cloud could not start")
        _say(f"the cloud could not start: {type(error).__name__}: {error}")
        if restarts == 0:
            return UNABLE
        raise
    try:
        publish(cloud.endpoint)
        await _wait_for_end(stop, supervisor_pid)
    finally:
        try:
            async with asyncio.timeout(STOP_LIMIT):
                await cloud.stop()
        except TimeoutError:
            _say(f"the cloud did not stop in order within {STOP_LIMIT:g} s; ending it")
    return 0


async def _wait_for_end(stop: asyncio.Event, supervisor_pid: int) -> None:
    """Return when told to stop, or when the supervisor is gone."""
    while not stop.is_set() and os.getppid() == supervisor_pid:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _ORPHAN_CHECK)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
