"""The order of stacks: side by side where they do not depend on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from fairway.plan.model import StackPlan
from fairway.plan.waiting import Pace

STACKS_AT_ONCE = 4

Outputs = dict[str, str]


def walk_stacks(
    stacks: Iterable[StackPlan],
    apply_stack: Callable[[StackPlan], Outputs],
    outputs: dict[str, Outputs],
    pace: Pace,
) -> None:
    """Deploy each stack as soon as those it needs are there; their outputs go into `outputs`.

    After a failure nothing more is begun; what runs is waited for, and the first error raised.
    """
    waiting = {stack.name: stack for stack in stacks}
    running: dict[Future[Outputs], str] = {}
    failure: BaseException | None = None
    with ThreadPoolExecutor(STACKS_AT_ONCE) as pool:
        while waiting or running:
            if failure is None:
                for stack in _find_ready(waiting, running):
                    del waiting[stack.name]
                    running[pool.submit(apply_stack, stack)] = stack.name
            if not running:
                break
            for future in _wait_any(running, pace):
                name = running.pop(future)
                error = future.exception()
                failure = failure or error
                if error is None:
                    outputs[name] = future.result()
    if failure is not None:
        raise failure


def _wait_any(running: dict[Future[Outputs], str], pace: Pace) -> set[Future[Outputs]]:
    try:
        return wait(running, return_when=FIRST_COMPLETED).done
    except KeyboardInterrupt:
        pace.stop.set()  # or leaving would wait for what CloudFormation still does
        raise


def _find_ready(
    waiting: dict[str, StackPlan], running: dict[Future[Outputs], str]
) -> list[StackPlan]:
    pending = {*waiting, *running.values()}
    return [
        stack
        for stack in waiting.values()
        if stack.template is None or not stack.template.needs & pending
    ]
