"""What a start does with the kept state, in its two phases."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from fairway.cloud.control.durable.blobs import CodeBlobs
from fairway.cloud.control.durable.objects import finish_intents
from fairway.cloud.control.durable.services import Services
from fairway.cloud.control.emulator import Emulator
from fairway.cloud.control.journal_format import Groups
from fairway.cloud.control.requests import Change
from fairway.cloud.control.state import StateKeeper

_RECOVERY = 5.0
"""Seconds that interrupted stacks may take before CloudFormation answers without them."""


def restore_services(emulator: Emulator, keeper: StateKeeper, groups: Groups) -> Services:
    """Import what the data plane needs, restore it, and follow it from now on."""
    done = finish_intents(groups)
    gc.disable()  # what is restored stays: looking through it again and again costs half the time
    try:
        services = _restore(emulator, keeper, groups)
    finally:
        gc.freeze()
        gc.enable()
    if done:
        keeper.append(done)
    keeper.attach(services)
    return services


def _restore(emulator: Emulator, keeper: StateKeeper, groups: Groups) -> Services:
    services = Services(
        emulator.list_modules, emulator.count_modules, keeper.append, keeper.note_failure
    )
    # An earlier version's files count until the journal has what they hold.
    services.know(groups, {} if groups else emulator.read_snapshots())
    emulator.import_services(services.rebuild, services.stored())
    for service in services.list_unfollowed():
        services.follow(service)
    services.forget_rows()
    return services


async def follow_engine(services: Services, notify: Callable[[str], None]) -> None:
    """Follow what the engine imported; roll back what a kill interrupted.

    Returns when the interrupted stacks are at rest, or take too long.
    """
    from fairway.cloud.control.durable import stacks

    for service in services.list_unfollowed():
        services.follow(service)
        services.notes.note_read(service)  # what it begins with is written by a sweep
        await asyncio.sleep(0)
    running = [stacks.recover(stack, notify) for stack in stacks.list_interrupted()]
    pending = [task for task in running if task is not None]
    if pending:
        await asyncio.wait(pending, timeout=_RECOVERY)


async def adopt_snapshots(emulator: Emulator, services: Services, keeper: StateKeeper) -> None:
    """Write what an earlier version's files held, then remove them."""
    if services.snapshots and await keeper.save(Change.CONTROL, set(services.snapshots)) is None:
        emulator.forget_snapshots()


def make_code_blobs() -> CodeBlobs:
    """Code archives' files, made safe."""
    from ministack.services import lambda_svc

    blobs = CodeBlobs(lambda_svc)
    blobs.install()
    return blobs
