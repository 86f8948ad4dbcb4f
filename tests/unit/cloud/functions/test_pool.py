"""Concurrency, the queue, retirement and replacement."""

import asyncio
import json

import pytest

from fairway.cloud.functions.model import TooManyRequests, UnknownFunction

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


def test_reserved_concurrency_bounds_the_workers_and_keeps_the_order(trial):
    async def scenario(functions):
        function = gated(trial, reserved=1)
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

    status, order, pids = trial.run(scenario)
    assert (status.workers, status.queued) == (1, 2)
    assert order == [1, 2, 3]
    assert len(pids) == 1


def test_a_full_queue_throttles(trial):
    async def scenario(functions):
        function = gated(trial, reserved=1)
        await functions.put(function)
        running = start(functions, 1)
        await trial.until((function.code / "runs-1").exists)
        waiting = start(functions, 0)
        await trial.until(lambda: functions.describe()[0].queued == 1)
        with pytest.raises(TooManyRequests, match="1 invocations of fn wait"):
            await functions.invoke(ARN, b"0")
        (function.code / "go-1").touch()
        return [(await task).error for task in (running, waiting)]

    assert trial.run(scenario, queue=1) == [None, None]


def test_a_late_place_in_the_queue_is_throttled(trial):
    async def warm(functions):
        while True:
            try:
                return await functions.invoke(ARN, b"0")
            except TooManyRequests:  # a cold start may be slower than this queue's deadline
                continue

    async def scenario(functions):
        function = gated(trial, reserved=1)
        await functions.put(function)
        await warm(functions)
        running = start(functions, 1)
        await trial.until((function.code / "runs-1").exists)
        with pytest.raises(TooManyRequests, match="queue's deadline"):
            await functions.invoke(ARN, b"0")
        (function.code / "go-1").touch()
        return (await running).error

    assert trial.run(scenario, queue_wait=0.2) is None


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
        old = gated(trial, 1, reserved=1)
        await functions.put(old)
        in_flight = start(functions, 1)
        await trial.until((old.code / "runs-1").exists)
        waiting = start(functions, 0)
        await trial.until(lambda: functions.describe()[0].queued == 1)
        await functions.put(gated(trial, 2, reserved=1))
        answer = json.loads((await waiting).payload)
        (old.code / "go-1").touch()
        return answer[1], json.loads((await in_flight).payload)[1]

    assert trial.run(scenario) == (2, 1)


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
