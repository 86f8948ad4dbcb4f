"""Invocations of real handlers in real workers."""

import asyncio
import json
import re

import pytest

from fairway.cloud.functions.api import MAX_RESPONSE
from fairway.cloud.functions.model import PayloadTooLarge, UnknownFunction
from fairway.cloud.functions.runtime import MAX_REQUEST

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:fn"


def invoke_once(trial, source, payload=b"{}", **changes):
    async def scenario(functions):
        await functions.put(trial.build(source, **changes))
        return await functions.invoke(ARN, payload)

    return trial.run(scenario)


def test_answers_with_the_handlers_json(trial):
    outcome = invoke_once(
        trial, "def handler(event, context): return {'got': event}", b'{"a": [1]}'
    )
    assert json.loads(outcome.payload) == {"got": {"a": [1]}}
    assert outcome.error is None
    assert not outcome.timed_out


def test_context_has_lambdas_fields(trial):
    source = """
        import os
        def handler(event, context):
            return [context.aws_request_id, context.invoked_function_arn, context.function_name,
                    context.memory_limit_in_mb, context.function_version, context.log_group_name,
                    context.log_stream_name, context.get_remaining_time_in_millis(),
                    os.environ["_X_AMZN_TRACE_ID"]]
    """

    async def scenario(functions):
        await functions.put(trial.build(source))
        return await functions.invoke(ARN, b"{}", trace_id="Root=1-abc")

    outcome = trial.run(scenario)
    got = json.loads(outcome.payload)
    assert got[:6] == [outcome.request_id, ARN, "fn", "128", "$LATEST", "/aws/lambda/fn"]
    assert got[6] == trial.records[0][1]
    assert 0 < got[7] <= 10_000
    assert got[8] == "Root=1-abc"


def test_an_unknown_function_is_refused(trial):
    async def scenario(functions):
        with pytest.raises(UnknownFunction):
            await functions.invoke(ARN, b"{}")

    trial.run(scenario)


def test_an_exception_becomes_lambdas_error_document(trial):
    outcome = invoke_once(trial, "def handler(event, context): raise ValueError('no')")
    document = json.loads(outcome.payload)
    assert outcome.error == "Unhandled"
    assert document["errorType"] == "ValueError"
    assert document["errorMessage"] == "no"
    assert document["requestId"] == outcome.request_id
    assert "raise ValueError('no')" in document["stackTrace"][0]
    (logged,) = [text for text in trial.texts if text.startswith("[ERROR]")]
    assert logged.startswith("[ERROR] ValueError: no\nTraceback (most recent call last):\n")


def test_an_answer_that_is_not_json_is_a_marshal_error(trial):
    outcome = invoke_once(trial, "def handler(event, context): return object()")
    assert outcome.error == "Unhandled"
    assert json.loads(outcome.payload)["errorType"] == "Runtime.MarshalError"


@pytest.mark.parametrize(
    ("statement", "how"),
    [
        ("os._exit(1)", "with error: exit status 1"),
        ("sys.exit(3)", "with error: exit status 3"),
        ("os._exit(0)", "without providing a reason"),
        ("os.kill(os.getpid(), 9)", "with error: signal: killed"),
        ("os.abort()", "with error: signal: aborted"),
    ],
)
def test_a_worker_that_ends_is_answered_and_replaced(trial, statement, how):
    source = f"""
        import os, sys
        def handler(event, context):
            if event:
                {statement}
            return "fine"
    """

    async def scenario(functions):
        await functions.put(trial.build(source))
        return await functions.invoke(ARN, b'{"end": 1}'), await functions.invoke(ARN, b"{}")

    first, second = trial.run(scenario)
    assert first.error == "Unhandled"
    assert json.loads(first.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {first.request_id} Error: Runtime exited {how}",
    }
    assert second.payload == b'"fine"'


@pytest.mark.slow
def test_a_timeout_kills_the_worker_and_the_next_request_works(trial, alive):
    source = """
        import os, time
        def handler(event, context):
            print("pid", os.getpid())
            if event: time.sleep(600)
            return os.getpid()
    """

    async def scenario(functions):
        await functions.put(trial.build(source, timeout=1))
        first = await functions.invoke(ARN, b'{"hang": 1}')
        second = await functions.invoke(ARN, b"{}")
        (old,) = [int(t[4:]) for t in trial.texts[:4] if t.startswith("pid ")]
        await trial.until(lambda: not alive(old))
        return first, second, old

    first, second, old = trial.run(scenario)
    assert first.timed_out
    assert first.error == "Unhandled"
    assert json.loads(first.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {first.request_id} Error: Task timed out after 1.00 seconds",
    }
    assert not second.timed_out
    assert int(second.payload) != old
    pattern = rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z {first.request_id} Task timed out .*"
    assert any(re.fullmatch(pattern, text) for text in trial.texts)


@pytest.mark.parametrize(
    ("source", "handler", "error_type"),
    [
        ("import no_such_module", "app.handler", "Runtime.ImportModuleError"),
        ("x = 1", "app.handler", "Runtime.HandlerNotFound"),
        ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError"),
        ("x = 1", "no_dot", "Runtime.MalformedHandlerName"),
        ("raise ValueError('early')", "app.handler", "ValueError"),
    ],
)
def test_an_init_error_is_that_invocations_answer(trial, source, handler, error_type):
    outcome = invoke_once(trial, source, handler=handler)
    assert outcome.error == "Unhandled"
    assert json.loads(outcome.payload)["errorType"] == error_type
    (line,) = [text for text in trial.texts if text.startswith("INIT_REPORT")]
    assert line.endswith(f"\tPhase: init\tStatus: error\tError Type: {error_type}")


def test_after_an_init_error_the_next_invocation_tries_again(trial):
    source = """
        import pathlib
        mark = pathlib.Path(__file__).with_name("mark")
        if not mark.exists():
            raise RuntimeError("not yet")
        def handler(event, context): return "up"
    """

    async def scenario(functions):
        function = trial.build(source)
        await functions.put(function)
        first = await functions.invoke(ARN, b"{}")
        (function.code / "mark").touch()
        return first, await functions.invoke(ARN, b"{}")

    first, second = trial.run(scenario)
    assert json.loads(first.payload)["errorMessage"] == "not yet"
    assert second.payload == b'"up"'


def test_exit_during_init_is_reported(trial):
    outcome = invoke_once(trial, "import os; os._exit(7)")
    assert json.loads(outcome.payload)["errorMessage"].endswith("error: exit status 7")


def count_starts(trial):
    """How many workers were begun; that their code came to say anything is a matter of load."""
    return sum(text.startswith("INIT_START") for text in trial.texts)


@pytest.mark.slow
def test_a_slow_init_is_tried_once_more_within_the_timeout(trial):
    async def scenario(functions):
        await functions.put(trial.build("import time; time.sleep(600)", timeout=1))
        return await functions.invoke(ARN, b"{}")

    outcome = trial.run(scenario, init=0.5)
    assert outcome.timed_out
    assert count_starts(trial) == 2
    assert json.loads(outcome.payload)["errorType"] == "Sandbox.Timedout"


def test_an_init_that_was_slow_has_the_functions_timeout_the_second_time(trial):
    gate = trial.folder / "gate"
    source = f"""
        import pathlib, time
        while not pathlib.Path({str(gate)!r}).exists():
            time.sleep(0.01)
        def handler(event, context): return "up"
    """

    async def scenario(functions):
        await functions.put(trial.build(source, timeout=20))
        invoked = asyncio.create_task(functions.invoke(ARN, b"{}"))
        await trial.until(lambda: count_starts(trial) == 2)
        gate.touch()
        return await invoked

    # No interpreter is up within a hundredth of a second, so the second one has more.
    assert trial.run(scenario, init=0.01).payload == b'"up"'
    assert count_starts(trial) == 2


def test_a_response_beyond_six_megabytes_is_too_large(trial):
    source = "def handler(event, context): return 'x' * event"

    async def scenario(functions):
        await functions.put(trial.build(source))
        size = MAX_RESPONSE - 2
        return [await functions.invoke(ARN, b"%d" % n) for n in (size, size + 1, 1)]

    largest, beyond, after = trial.run(scenario)
    assert len(largest.payload) == MAX_RESPONSE
    assert json.loads(beyond.payload) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": f"Response payload size ({MAX_RESPONSE + 1} bytes) exceeded maximum "
        f"allowed payload size ({MAX_RESPONSE} bytes).",
    }
    assert after.payload == b'"x"'


def test_a_request_of_six_megabytes_passes_and_a_larger_one_is_refused(trial):
    async def scenario(functions):
        await functions.put(trial.build("def handler(event, context): return len(event)"))
        largest = b'"%s"' % (b"x" * (MAX_REQUEST - 2))
        outcome = await functions.invoke(ARN, largest)
        with pytest.raises(PayloadTooLarge):
            await functions.invoke(ARN, largest + b" ")
        return outcome

    assert trial.run(scenario).payload == b"%d" % (MAX_REQUEST - 2)


def test_a_cancelled_caller_does_not_stop_the_invocation(trial):
    source = """
        import pathlib
        def handler(event, context):
            pathlib.Path(event).touch()
    """
    mark = trial.folder / "mark"

    async def scenario(functions):
        await functions.put(trial.build(source))
        await functions.invoke(ARN, json.dumps(str(trial.folder / "warm")).encode())
        await trial.until(lambda: functions.describe()[0].busy == 0)
        caller = asyncio.create_task(functions.invoke(ARN, json.dumps(str(mark)).encode()))
        await asyncio.sleep(0)
        caller.cancel()
        await trial.until(mark.exists)
        await functions.invoke(ARN, json.dumps(str(mark)).encode())

    trial.run(scenario)
    assert sum(text.startswith("REPORT") for text in trial.texts) == 3


CLIENT = """
import importlib, json, os, sys, urllib.request

def call(path, data=None):
    url = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/{path}"
    with urllib.request.urlopen(url, data) as answer:
        return answer.headers.get("Lambda-Runtime-Aws-Request-Id"), answer.read()

module, _, name = sys.argv[1].rpartition(".")
handler = getattr(importlib.import_module(module), name)
while True:
    found, event = call("next")
    call(f"{found}/response", json.dumps([handler(json.loads(event), None), __file__]).encode())
"""


def test_code_may_bring_a_runtime_client_of_its_own(trial):
    """Older ones than ours have other modules: of such a one no more is asked than to run."""

    async def scenario(functions):
        function = trial.build("def handler(event, context): return event")
        client = function.code / "awslambdaric"
        client.mkdir()
        (client / "__init__.py").touch()
        (client / "__main__.py").write_text(CLIENT)
        await functions.put(function)
        return await functions.invoke(ARN, b'"own"'), str(client)

    outcome, client = trial.run(scenario)
    assert json.loads(outcome.payload) == ["own", f"{client}/__main__.py"]
