"""Node.js functions under our bootstrap."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from fairway.cloud.functions.interpreters import UnsupportedRuntime

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:fn"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


def run_node(trial, source, *events, file="app.js", **changes):
    """Invoke a function once per event, on one worker; returns the outcomes."""
    function = trial.build(source, file=file, runtime="nodejs20.x", **changes)

    async def scenario(functions):
        await functions.put(function)
        return [await functions.invoke(ARN, json.dumps(event).encode()) for event in events]

    return trial.run(scenario, inherited={"PATH": os.environ["PATH"]})


def answers(outcomes):
    assert [o.error for o in outcomes] == [None] * len(outcomes), [o.payload for o in outcomes]
    return [json.loads(o.payload) for o in outcomes]


def failure(outcome):
    assert outcome.error == "Unhandled", outcome.payload
    return json.loads(outcome.payload)


ASYNC = "async (event) => ({ got: event, where: typeof require });"


@pytest.mark.parametrize(
    ("file", "source", "required"),
    [
        ("app.js", f"exports.handler = {ASYNC}", "function"),
        ("app.cjs", f"exports.handler = {ASYNC}", "function"),
        ("app.mjs", f"export const handler = {ASYNC}", "undefined"),
    ],
)
def test_kinds_of_modules(trial, file, source, required):
    """Page "Define Lambda function handler in Node.js": CommonJS and ES modules."""
    assert answers(run_node(trial, source, {"n": 1}, file=file)) == [
        {"got": {"n": 1}, "where": required}
    ]


def test_type_module_makes_js_a_module(trial):
    """Page "Define Lambda function handler in Node.js": "type": "module" in package.json."""
    source = "import { x } from './lib.js'; export const handler = async () => x;"
    code = trial.build(source, file="app.js").code
    (code / "package.json").write_text('{"type": "module"}')
    (code / "lib.js").write_text("export const x = await Promise.resolve(7);")
    assert answers(run_node(trial, source, {})) == [7]


def test_packages_beside_the_code_are_found(trial):
    source = "const it = require('it'); exports.handler = async () => it;"
    code = trial.build(source, file="app.js").code
    (code / "node_modules/it").mkdir(parents=True)
    (code / "node_modules/it/index.js").write_text("module.exports = 'found';")
    assert answers(run_node(trial, source, {})) == ["found"]


def test_callbacks_wait_for_the_event_loop_unless_told_otherwise(trial):
    """Page "Using the Lambda context object to retrieve Node.js function information"."""
    source = """
        let done = false;
        exports.handler = (event, context, callback) => {
            if (event === 'look') { callback(null, done); return; }
            done = false;
            if (event === 'free') context.callbackWaitsForEmptyEventLoop = false;
            setTimeout(() => { done = true; }, event === 'free' ? 60000 : 30);
            callback(null, event);
        };
    """
    outcomes = run_node(trial, source, "waits", "look", "free")
    assert answers(outcomes) == ["waits", True, "free"]


def test_a_handler_that_neither_answers_nor_waits_returns_null(trial):
    assert answers(run_node(trial, "exports.handler = () => {};", {}, {})) == [None, None]


def test_callback_errors_and_old_style_context(trial):
    source = """
        exports.handler = (event, context, callback) => {
            if (event === 'error') callback(new TypeError('no'));
            else if (event === 'text') callback('plain');
            else context.succeed({ done: true });
        };
    """
    error, text, done = run_node(trial, source, "error", "text", "done")
    assert failure(error)["errorType"] == "TypeError"
    assert failure(error)["errorMessage"] == "no"
    assert failure(error)["trace"][0] == "TypeError: no"
    assert failure(text) == {"errorType": "string", "errorMessage": "plain", "trace": []}
    assert answers([done]) == [{"done": True}]


def test_context_fields(trial):
    """Page "Using the Lambda context object to retrieve Node.js function information"."""
    source = """
        exports.handler = async (event, context) => ({
            ...context, left: context.getRemainingTimeInMillis(), env: process.env,
            cwd: process.cwd(), waits: context.callbackWaitsForEmptyEventLoop,
        });
    """
    (outcome,) = run_node(trial, source, {}, environment={"A": "b"})
    (found,) = answers([outcome])
    assert 0 < found.pop("left") <= 10_000
    assert found["awsRequestId"] == outcome.request_id
    assert found["functionName"] == "fn"
    assert found["functionVersion"] == "$LATEST"
    assert found["memoryLimitInMB"] == "128"
    assert found["logGroupName"] == "/aws/lambda/fn"
    assert found["logStreamName"] == trial.records[0][1]
    assert found["invokedFunctionArn"] == ARN
    assert found["waits"] is True
    assert found["env"]["A"] == "b"
    assert found["env"]["AWS_EXECUTION_ENV"] == "AWS_Lambda_nodejs20.x"
    assert found["env"]["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert found["cwd"] == found["env"]["LAMBDA_TASK_ROOT"]


def test_console_lines_carry_time_request_and_level(trial):
    """Page "Log and monitor Node.js Lambda functions"."""
    source = """
        console.log('loading');
        exports.handler = async () => {
            console.log('n=%d', 5, { a: [1] });
            console.warn('two\\nlines'); console.error('e'); console.debug('d');
            process.stdout.write('raw\\n');
        };
    """
    (outcome,) = run_node(trial, source, {})
    assert outcome.error is None
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    lines = [re.sub(stamp, "T", text) for text in trial.texts]
    request = outcome.request_id
    assert "T\tundefined\tINFO\tloading" in lines
    start = lines.index(f"START RequestId: {request} Version: $LATEST")
    assert lines[start + 1 : start + 6] == [
        f"T\t{request}\tINFO\tn=5 {{ a: [ 1 ] }}",
        f"T\t{request}\tWARN\ttwo\nlines",
        f"T\t{request}\tERROR\te",
        f"T\t{request}\tINFO\td".replace("INFO", "DEBUG"),
        "raw",
    ]


def test_errors_of_the_handler_are_answered_and_logged(trial):
    source = """
        exports.handler = async (event) => {
            const error = new RangeError('too far'); error.code = 'E1'; throw error;
        };
    """
    first, second = run_node(trial, source, {}, {})
    assert failure(first)["errorType"] == failure(second)["errorType"] == "RangeError"
    logged = next(t for t in trial.texts if "Invoke Error" in t)
    assert json.loads(logged.split("\t")[-1])["code"] == "E1"
    assert logged.split("\t")[1:4] == [first.request_id, "ERROR", "Invoke Error "]


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("setTimeout(() => { throw new Error('late') }, 1)", "Error", "late"),
        ("Promise.reject(new Error('lost'))", "Runtime.UnhandledPromiseRejection", "Error: lost"),
        ("process.exit(3)", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("process.exit(0)", "Runtime.ExitError", "Runtime exited without providing a reason"),
    ],
)
def test_what_nobody_catches_ends_the_worker_and_the_next_one_serves(trial, body, kind, message):
    source = """
        exports.handler = async (event) => {
            if (event === 'fine') return process.pid;
            BODY;
            await new Promise((resolve) => setTimeout(resolve, 60000));
        };
    """.replace("BODY", body)
    failed, after = run_node(trial, source, "fail", "fine")
    assert failure(failed)["errorType"] == kind
    assert failure(failed)["errorMessage"].endswith(message)
    assert after.error is None


@pytest.mark.parametrize(
    ("source", "handler", "kind", "message"),
    [
        ("throw new TypeError('top')", "app.handler", "TypeError", "top"),
        ("exports.x = 1", "app.handler", "Runtime.HandlerNotFound", "not exported"),
        ("exports.handler = 1", "app.handler", "Runtime.HandlerNotFound", "not a function"),
        ("exports.handler =", "app.handler", "Runtime.UserCodeSyntaxError", "Unexpected end"),
        ("", "nope.handler", "Runtime.ImportModuleError", "Cannot find module 'nope'"),
        ("", "app", "Runtime.MalformedHandlerName", "not a valid handler name"),
        ("require('absent')", "app.handler", "Runtime.ImportModuleError", "'absent'"),
    ],
)
def test_errors_before_the_first_event(trial, source, handler, kind, message):
    """Page "Using the Lambda runtime API for custom runtimes": initialization error."""
    (outcome,) = run_node(trial, source, {}, handler=handler)
    assert failure(outcome)["errorType"] == kind
    assert message in failure(outcome)["errorMessage"]


def test_a_missing_sdk_is_explained(trial):
    source = "const { S3 } = require('@aws-sdk/client-s3'); exports.handler = async () => 1;"
    (outcome,) = run_node(trial, source, {})
    assert failure(outcome)["errorType"] == "Runtime.ImportModuleError"
    assert any("add the package to your package.json" in text for text in trial.texts)
    assert any("AWS SDK for JavaScript" in notice for notice in trial.notices)


def test_an_answer_that_is_no_json_is_an_error_and_undefined_is_null(trial):
    source = """
        exports.handler = async (event) => {
            if (event === 'loop') { const a = {}; a.a = a; return a; }
            if (event === 'big') return 10n;
            if (event === 'large') return 'x'.repeat(7 * 1024 * 1024);
        };
    """
    loop, big, large, nothing = run_node(trial, source, "loop", "big", "large", "nothing")
    assert "Unable to stringify response body" in failure(loop)["errorMessage"]
    assert "Unable to stringify response body" in failure(big)["errorMessage"]
    assert failure(large)["errorType"] == "Function.ResponseSizeTooLarge"
    assert answers([nothing]) == [None]


def test_timeout_and_memory_limit_hold(trial):
    source = """
        exports.handler = async (event) => {
            if (event === 'slow') await new Promise((r) => setTimeout(r, 60000));
            if (event === 'fat') { const kept = []; for (;;) kept.push(Buffer.alloc(1e7, 1)); }
        };
    """
    fat, slow = run_node(trial, source, "fat", "slow", timeout=2)
    assert failure(fat)["errorMessage"].endswith("signal: killed")
    assert slow.timed_out


def make_node(folder: Path, name: str, version: str) -> None:
    program = folder / name
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo {version} && exit\nexec {NODE} "$@"\n'
    )
    program.chmod(0o755)


def test_the_nearest_version_serves_and_a_notice_says_so(trial, tmp_path):
    (tmp_path / "bin").mkdir()
    make_node(tmp_path / "bin", "node", "v21.4.0")
    function = trial.build("exports.handler = async () => 1;", file="app.js", runtime="nodejs22.x")

    async def scenario(functions):
        await functions.put(function)
        return await functions.invoke(ARN, b"{}")

    inherited = {"PATH": f"{tmp_path / 'bin'}:/nowhere"}
    assert trial.run(scenario, inherited=inherited).payload == b"1"
    assert (
        "Node.js 22 is not installed here: functions with the runtime nodejs22.x run on "
        "Node.js 21 instead."
    ) in trial.notices


def test_without_node_the_function_is_refused_in_plain_words(trial):
    async def scenario(functions):
        with pytest.raises(UnsupportedRuntime, match=r"no Node\.js is installed here"):
            await functions.put(trial.build("", file="app.js", runtime="nodejs22.x"))

    trial.run(scenario, inherited={"PATH": "/nowhere"})
