"""Concurrency, the queue, retirement and replacement."""

import asyncio
import json
from dataclasses import replace

import pytest

from fairway.cloud.functions.model import (
    Alias,
    ReservedLimitReached,
    TooManyRequests,
    UnknownFunction,
)

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:fn"

# Says that it runs by a file, and waits for another one before it answers.
GATED = """
    import os, pathlib, time
    folder = pathlib.Path(__file__).parent
    def handler(event, context):
        if event:
            (folder / f"runs-{event}").touch()
            while not (folder / f"go-{event}").exists(): time.sleep(0.002)
        return [os.getpid(), VERSION]
"""


def gated(trial, version=1, **changes):
    return trial.build(GATED.replace("VERSION", str(version)), **changes)


def start(functions, event):
    return asyncio.create_task(functions.invoke(ARN, b"%d" % event))


def test_concurrent_invocations_get_a_worker_each(trial):
    async def scenario(functions):
        function = gated(trial)
        await functions.put(function)
        tasks = [start(functions, n) for n in (1, 2, 3)]
        await trial.until(lambda: len(list(function.code.glob("runs-*"))) == 3)
        (status,) = functions.describe()
        for n in (1, 2, 3):
            (function.code / f"go-{n}").touch()
        return status, [json.loads((await task).payload)[0] for task in tasks]

    status, pids = trial.run(scenario)
    assert (status.workers, status.busy, status.queued, status.bound) == (3, 3, 0, 4)
    assert sorted(pids) == list(status.pids)


def test_one_caller_keeps_one_worker(trial):
    async def scenario(functions):
        await functions.put(gated(trial))
        return {(await functions.invoke(ARN, b"0")).payload for _ in range(50)}, len(
            functions.describe()[0].pids
        )

    answers, workers = trial.run(scenario)
    assert (len(answers), workers) == (1, 1)


def test_the_machine_bounds_the_workers_and_keeps_the_order(trial):
    async def scenario(functions):
        function = gated(trial)
        await functions.put(function)
        order = []
        tasks = [start(functions, n) for n in (1, 2, 3)]
        for number, task in enumerate(tasks, 1):
            task.add_done_callback(lambda _, n=number: order.append(n))
        await trial.until((function.code / "runs-1").exists)
        (status,) = functions.describe()
        for n in (3, 2, 1):
            (function.code / f"go-{n}").touch()
        outcomes = await asyncio.gather(*tasks)
        return status, order, {json.loads(o.payload)[0] for o in outcomes}

    status, order, pids = trial.run(scenario, workers=1)
    assert (status.workers, status.queued) == (1, 2)
    assert order == [1, 2, 3]
    assert len(pids) == 1


def test_a_full_queue_throttles(trial):
    async def scenario(functions):
        function = gated(trial)
        await functions.put(function)
        running = start(functions, 1)
        await trial.until((function.code / "runs-1").exists)
        waiting = start(functions, 0)
        await trial.until(lambda: functions.describe()[0].queued == 1)
        with pytest.raises(TooManyRequests, match="1 invocations of fn wait"):
            await functions.invoke(ARN, b"0")
        (function.code / "go-1").touch()
        return [(await task).error for task in (running, waiting)]

    assert trial.run(scenario, workers=1, queue=1) == [None, None]


def test_a_late_place_in_the_queue_is_throttled(trial):
    async def warm(functions):
        while True:
            try:
                return await functions.invoke(ARN, b"0")
            except TooManyRequests:  # a cold start may be slower than this queue's deadline
                continue

    async def scenario(functions):
        function = gated(trial)
        await functions.put(function)
        await warm(functions)
        running = start(functions, 1)
        await trial.until((function.code / "runs-1").exists)
        with pytest.raises(TooManyRequests, match="queue's deadline"):
            await functions.invoke(ARN, b"0")
        (function.code / "go-1").touch()
        return (await running).error

    assert trial.run(scenario, workers=1, queue_wait=0.2) is None


def test_reserved_concurrency_refuses_at_once_what_is_above_it(trial):
    """Page "Configuring reserved concurrency for a function": requests above it are throttled."""

    async def scenario(functions):
        function = gated(trial, reserved=1)
        await functions.put(function)
        running = start(functions, 1)
        await trial.until((function.code / "runs-1").exists)
        with pytest.raises(ReservedLimitReached):
            await functions.invoke(ARN, b"0")
        (function.code / "go-1").touch()
        first = await running
        return first.error, (await functions.invoke(ARN, b"0")).error

    assert trial.run(scenario) == (None, None)


def test_all_versions_share_the_reserved_concurrency(trial):
    """Page "Configuring reserved concurrency for a function": it applies to all versions."""

    async def scenario(functions):
        function = gated(trial, reserved=1)
        await functions.put(function)
        await functions.put(replace(function, arn=f"{ARN}:1", version="1"))
        running = start(functions, 1)
        await trial.until((function.code / "runs-1").exists)
        with pytest.raises(ReservedLimitReached):
            await functions.invoke(f"{ARN}:1", b"0")
        (function.code / "go-1").touch()
        return (await running).version, (await functions.invoke(f"{ARN}:1", b"0")).version

    assert trial.run(scenario) == ("$LATEST", "1")


def test_reserved_concurrency_above_the_machines_waits_in_the_queue(trial):
    async def scenario(functions):
        function = gated(trial, reserved=2)
        await functions.put(function)
        tasks = [start(functions, 1), *(start(functions, 0) for _ in range(4))]
        await trial.until(lambda: functions.describe()[0].queued == 4)
        await trial.until((function.code / "runs-1").exists)
        (function.code / "go-1").touch()
        return [(await task).error for task in tasks]

    assert trial.run(scenario, workers=1) == [None] * 5


def test_a_caller_that_leaves_the_queue_gives_back_its_place(trial):
    async def scenario(functions):
        function = gated(trial, reserved=2)
        await functions.put(function)
        running, waiting = start(functions, 1), start(functions, 0)
        await trial.until((function.code / "runs-1").exists)
        waiting.cancel()
        await asyncio.wait([waiting])
        another = start(functions, 0)
        await trial.until(lambda: functions.describe()[0].queued == 2)
        (function.code / "go-1").touch()
        return (await running).error, (await another).error

    assert trial.run(scenario, workers=1) == (None, None)


def test_provisioned_workers_are_ready_before_and_replaced_after(trial, alive):
    """Page "Configuring provisioned concurrency": environments initialized beforehand."""
    source = """
        import os, sys
        def handler(event, context):
            if event == 1: os._exit(3)
            return os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]
    """

    async def scenario(functions):
        await functions.put(trial.build(source, provisioned=2))
        await trial.until(lambda: len(functions.describe()[0].pids) == 2)
        first = functions.describe()[0].pids
        killed = await functions.invoke(ARN, b"1")
        await trial.until(lambda: len(functions.describe()[0].pids) == 2)
        after = functions.describe()[0].pids
        return killed.error, first, after, (await functions.invoke(ARN, b"0")).payload

    error, first, after, kind = trial.run(scenario, idle=0.02)
    assert error == "Unhandled"
    assert len(set(first) & set(after)) == 1
    assert kind == b'"provisioned-concurrency"'


def test_an_alias_divides_by_weight_and_is_what_the_context_names(trial):
    """Page "Implement Lambda canary deployments using a weighted alias"."""
    source = """
        def handler(event, context):
            return [context.function_version, context.invoked_function_arn]
    """
    drawn = iter([0.0, 0.69, 0.7, 0.99])

    async def scenario(functions):
        function = trial.build(source)
        for version in ("1", "2"):
            await functions.put(replace(function, arn=f"{ARN}:{version}", version=version))
        alias = Alias(f"{ARN}:live", ((f"{ARN}:1", 0.7), (f"{ARN}:2", 0.3)))
        functions.set_aliases({alias.arn: alias})
        outcomes = [await functions.invoke(alias.arn, b"0") for _ in range(4)]
        return [(o.version, json.loads(o.payload)) for o in outcomes]

    named = f"{ARN}:live"
    assert trial.run(scenario, draw=lambda: next(drawn)) == [
        (version, [version, named]) for version in ("1", "1", "2", "2")
    ]


def test_reserved_concurrency_of_zero_throttles_everything(trial):
    async def scenario(functions):
        await functions.put(gated(trial, reserved=0))
        with pytest.raises(TooManyRequests, match="reserved concurrency of 0"):
            await functions.invoke(ARN, b"0")
        return functions.describe()[0].workers

    assert trial.run(scenario) == 0


def test_idle_workers_retire_but_one(trial):
    async def scenario(functions):
        function = gated(trial)
        await functions.put(function)
        tasks = [start(functions, n) for n in (1, 2, 3)]
        await trial.until(lambda: len(list(function.code.glob("runs-*"))) == 3)
        for n in (1, 2, 3):
            (function.code / f"go-{n}").touch()
        await asyncio.gather(*tasks)
        await trial.until(lambda: functions.describe()[0].workers == 1)
        return await functions.invoke(ARN, b"0")

    assert trial.run(scenario, idle=0.05).error is None


def test_new_code_serves_at_once_and_the_old_finishes(trial, alive):
    async def scenario(functions):
        old = gated(trial, 1)
        await functions.put(old)
        in_flight = start(functions, 1)
        await trial.until((old.code / "runs-1").exists)
        await functions.put(gated(trial, 2))
        during = json.loads((await functions.invoke(ARN, b"0")).payload)
        (old.code / "go-1").touch()
        before = json.loads((await in_flight).payload)
        await trial.until(lambda: not alive(before[0]))
        return before, during, functions.describe()[0]

    before, during, status = trial.run(scenario)
    assert (before[1], during[1]) == (1, 2)
    assert status.pids == (during[0],)


def test_what_waits_goes_to_the_new_code(trial):
    async def scenario(functions):
        old = gated(trial, 1)
        await functions.put(old)
        in_flight = start(functions, 1)
        await trial.until((old.code / "runs-1").exists)
        waiting = start(functions, 0)
        await trial.until(lambda: functions.describe()[0].queued == 1)
        await functions.put(gated(trial, 2))
        answer = json.loads((await waiting).payload)
        (old.code / "go-1").touch()
        return answer[1], json.loads((await in_flight).payload)[1]

    assert trial.run(scenario, workers=1) == (2, 1)


def test_an_unchanged_function_keeps_its_workers(trial):
    async def scenario(functions):
        await functions.put(gated(trial))
        first = await functions.invoke(ARN, b"0")
        await functions.put(gated(trial))
        return first.payload == (await functions.invoke(ARN, b"0")).payload

    assert trial.run(scenario)


def test_put_warms_a_worker_before_any_invocation(trial):
    async def scenario(functions):
        await functions.put(gated(trial))
        await trial.until(lambda: functions.describe()[0].pids)
        return functions.describe()[0].workers

    assert trial.run(scenario) == 1


def test_a_removed_function_is_unknown_and_leaves_no_process(trial, alive):
    async def scenario(functions):
        await functions.put(gated(trial))
        pid, _ = json.loads((await functions.invoke(ARN, b"0")).payload)
        await functions.remove(ARN)
        with pytest.raises(UnknownFunction):
            await functions.invoke(ARN, b"0")
        await functions.remove(ARN)
        await trial.until(lambda: not alive(pid))
        return functions.describe()

    assert trial.run(scenario) == []
