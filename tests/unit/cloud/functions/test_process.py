"""What a worker's process finds around it, however it was started."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from tests.unit.cloud.functions.conftest import Trial

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:fn"

LOOK_AROUND = """
    import os, random, signal, sys, tempfile
    import boto3
    def handler(event, context):
        return {
            "environ": dict(os.environ), "path": sys.path, "argv": sys.argv, "cwd": os.getcwd(),
            "tmp": tempfile.gettempdir(), "session": os.getsid(0) == os.getpid(),
            "stdin": sys.stdin.read(), "sigint": signal.getsignal(2) is signal.default_int_handler,
            "sigchld": signal.getsignal(17) == signal.SIG_DFL, "random": random.random(),
            "main": sys.modules["__main__"].__spec__.name, "version": list(sys.version_info[:2]),
            "encodings": [sys.stdin.encoding, sys.stdout.encoding, sys.stderr.encoding],
            "files": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:3],
            "boto3": boto3.__file__, "pid": os.getpid(),
        }
"""
# A variable that speaks to the interpreter makes the runtime execute a new one.
STARTS = pytest.mark.parametrize(
    "declared", [{"A": "b"}, {"A": "b", "PYTHONHASHSEED": "0"}], ids=["forked", "executed"]
)


def look_around(trial, source=LOOK_AROUND, **changes):
    async def scenario(functions):
        await functions.put(trial.build(source, **changes))
        outcome = await functions.invoke(ARN, b"{}")
        assert outcome.error is None, outcome.payload
        return json.loads(outcome.payload)

    return trial.run(scenario, inherited={"PATH": os.environ["PATH"], "LEAK": "1"})


@STARTS
def test_environment_is_lambdas_and_nothing_leaks(trial, declared):
    function = trial.build(LOOK_AROUND)
    found = look_around(trial, environment=declared | {"AWS_ACCESS_KEY_ID": "mine"})
    environ = found["environ"]
    assert environ.pop("AWS_LAMBDA_RUNTIME_API").startswith("127.0.0.1:")
    assert environ.pop("AWS_LAMBDA_LOG_STREAM_NAME") == trial.records[0][1]
    assert environ.pop("TMPDIR").startswith(str(trial.scratch))
    assert environ.pop("_X_AMZN_TRACE_ID").startswith("Root=1-")
    environ.pop("LC_CTYPE", None)  # the interpreter's own, in some locales
    assert environ == declared | {
        "_HANDLER": "app.handler",
        "AWS_ACCESS_KEY_ID": "test-key",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": "fn",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
        "AWS_REGION": "eu-west-1",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "LAMBDA_RUNTIME_DIR": str(trial.scratch / "runtime-3.11"),
        "LAMBDA_TASK_ROOT": str(function.code),
        "LANG": "en_US.UTF-8",
        "PATH": os.environ["PATH"],
        "TZ": ":UTC",
    }


@STARTS
def test_the_process_is_an_ordinary_runtime_client(trial, declared):
    found = look_around(trial, environment=declared)
    code = str(trial.build(LOOK_AROUND).code)
    assert found["path"][:2] == [code, str(trial.scratch / "runtime-3.11")]
    assert not [entry for entry in found["path"] if "site-packages" in entry]
    assert found["argv"][0].endswith("awslambdaric/__main__.py")
    assert found["argv"][1:] == ["app.handler"]
    assert found["cwd"] == code
    assert found["tmp"] == found["environ"]["TMPDIR"]
    assert found["session"]
    assert found["sigint"]
    assert found["sigchld"]
    assert found["stdin"] == ""
    assert found["main"] == "awslambdaric.__main__"
    assert found["encodings"] == ["utf-8"] * 3
    assert found["files"] == [0, 1, 2]


def test_forked_workers_have_their_own_randomness(trial):
    source = LOOK_AROUND.replace("def handler", "value = random.random()\n    def handler").replace(
        "random.random(),", "value,"
    )

    async def scenario(functions):
        values = set()
        for number in range(3):
            await functions.put(trial.build(source, environment={"N": str(number)}))
            values.add(json.loads((await functions.invoke(ARN, b"{}")).payload)["random"])
        return values

    assert len(trial.run(scenario)) == 3


@pytest.mark.parametrize("brought", ["boto3", "queue"])
def test_a_module_that_the_code_brings_wins(trial, brought):
    function = trial.build(f"import {brought}\ndef handler(event, context): return {brought}.mine")
    package = function.code / brought
    package.mkdir()
    (package / "__init__.py").write_text("mine = 'vendored'")

    async def scenario(functions):
        await functions.put(function)
        return await functions.invoke(ARN, b"{}")

    if brought == "queue":  # the runtime client itself needs the real one
        (package / "__init__.py").write_text(
            Path(sys.modules["queue"].__file__ or "").read_text() + "\nmine = 'vendored'"
        )
    assert trial.run(scenario).payload == b'"vendored"'


def test_a_package_that_lambda_lacks_is_missing_here_too(trial):
    async def scenario(functions):
        await functions.put(trial.build("import pydantic"))
        return await functions.invoke(ARN, b"{}")

    document = json.loads(trial.run(scenario).payload)
    assert document["errorMessage"] == "Unable to import module 'app': No module named 'pydantic'"


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_another_interpreter_runs_when_it_is_there(trial, version):
    program = find_interpreter(version)
    if program is None:
        pytest.skip(f"no python{version} on this machine")
    folder = trial.folder / "bin"
    folder.mkdir()
    (folder / f"python{version}").symlink_to(program)

    async def scenario(functions):
        await functions.put(trial.build(LOOK_AROUND, runtime=f"python{version}"))
        first = await functions.invoke(ARN, b"{}")
        second = await functions.invoke(ARN, '{"é": "ü"}'.encode())
        return json.loads(first.payload), json.loads(second.payload)

    first, second = trial.run(scenario, inherited={"PATH": f"{folder}:{os.defpath}"})
    assert ".".join(map(str, first["version"])) == version
    assert first["pid"] == second["pid"]
    assert not trial.told("Python")


def find_interpreter(version):
    """A real program: version managers keep them beside the one that we run on."""
    beside = sorted(Path(sys.base_prefix).parent.glob(f"{version}*/bin/python{version}"))
    if beside:
        return str(beside[0])
    return shutil.which(f"python{version}", path=os.defpath)


def test_a_missing_interpreter_is_said_once_and_ours_is_used(trial):
    shim = trial.folder / "bin" / "python3.12"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    ours = ".".join(map(str, sys.version_info[:2]))

    async def scenario(functions):
        for name in ("a", "b"):
            await functions.put(trial.build(LOOK_AROUND, name, runtime="python3.12"))
        return await functions.invoke(ARN[:-2] + "a", b"{}")

    outcome = trial.run(scenario, inherited={"PATH": str(shim.parent)})
    assert outcome.error is None
    assert trial.told("Python") == [
        "Python 3.12 is not installed here: functions with the runtime python3.12 run on "
        f"Python {ours} instead."
    ]


def test_workers_are_replaced_when_the_nursery_dies(trial):
    source = """
        import os, signal, time
        def handler(event, context):
            if event:
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(600)
            return "fine"
    """

    async def scenario(functions):
        await functions.put(trial.build(source))
        killed = await functions.invoke(ARN, b"1")
        after = await functions.invoke(ARN, b"0")
        return killed, after

    killed, after = trial.run(scenario)
    assert json.loads(killed.payload)["errorMessage"].endswith("error: signal: killed")
    assert after.payload == b'"fine"'


def test_nothing_is_left_after_close(trial, alive):
    async def scenario(functions):
        await functions.put(trial.build(LOOK_AROUND))
        outcome = await functions.invoke(ARN, b"{}")
        hanging = trial.build("import time; time.sleep(600)", "slow")
        await functions.put(hanging)
        waiting = asyncio.create_task(functions.invoke(hanging.arn, b"{}"))
        await trial.until(lambda: len(functions.describe()[1].pids) == 1)
        pids = [pid for status in functions.describe() for pid in status.pids]
        await functions.close()
        with pytest.raises(Exception, match="shutting down"):
            await waiting
        return json.loads(outcome.payload)["pid"], pids

    pid, pids = trial.run(scenario)
    assert pid in pids
    assert not any(alive(pid) for pid in pids)
    assert not trial.scratch.exists()


def can_mount():
    """Whether this system lets a process have a /tmp of its own."""
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "true"], capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.mark.skipif(
    sys.platform != "linux" or not can_mount(), reason="no mount namespaces for users here"
)
@pytest.mark.skipif(
    Path(sys.executable).is_relative_to("/tmp") or Path(__file__).is_relative_to("/tmp"),
    reason="what workers need lies in /tmp itself",
)
@pytest.mark.parametrize("file", ["app.py", "app.js"])
def test_tmp_is_the_workers_own_where_the_system_allows_it(file):
    """Page "Configure ephemeral storage for Lambda functions"."""
    if file == "app.js" and shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    python = """
        import os, tempfile
        def handler(event, context):
            open("/tmp/kept", "a").write("x")
            return [len(open("/tmp/kept").read()), tempfile.gettempdir(), "TMPDIR" in os.environ]
    """
    node = """
        const fs = require('fs'), os = require('os');
        exports.handler = async () => {
            fs.appendFileSync('/tmp/kept', 'x');
            const text = fs.readFileSync('/tmp/kept', 'utf8');
            return [text.length, os.tmpdir(), 'TMPDIR' in process.env];
        };
    """
    runtime = "python3.11" if file == "app.py" else "nodejs20.x"

    async def scenario(functions):
        source = python if file == "app.py" else node
        await functions.put(trial.build(source, file=file, runtime=runtime))
        answers = [json.loads((await functions.invoke(ARN, b"{}")).payload) for _ in range(2)]
        kept = list(trial.scratch.glob("worker-*/tmp/kept"))
        return answers, len(kept)

    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:  # /tmp would be hidden from it
        trial = Trial(Path(folder))
        answers, kept = trial.run(scenario, inherited={"PATH": os.environ["PATH"]})
    assert answers == [[1, "/tmp", False], [2, "/tmp", False]]
    assert kept == 1
    assert not Path("/tmp/kept").exists()
