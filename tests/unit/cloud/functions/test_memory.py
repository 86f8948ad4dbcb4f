"""The memory limit: who crosses it is ended, in Lambda's words."""

import json

import pytest

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:fn"
KEEPS = """
    import time
    def handler(event, context):
        kept = bytearray(event * 1024 * 1024)
        for i in range(0, len(kept), 4096): kept[i] = 1
        time.sleep(60 if event > 100 else 0)
        return len(kept)
"""
RETURNS = KEEPS.replace("time.sleep(60 if event > 100 else 0)", "")
FORKS = """
    import subprocess, sys
    def handler(event, context):
        hog = "kept = bytearray(%d); import time; time.sleep(60)" % (event * 1024 * 1024)
        subprocess.run([sys.executable, "-c", hog])
"""
LOADS = """
    kept = bytearray(300 * 1024 * 1024)
    for i in range(0, len(kept), 4096): kept[i] = 1
    def handler(event, context): return 1
"""


def invoke(trial, source, event, **changes):
    async def scenario(functions):
        await functions.put(trial.build(source, timeout=20, **changes))
        first = await functions.invoke(ARN, b"%d" % event)
        return first, await functions.invoke(ARN, b"1")

    return trial.run(scenario)


@pytest.mark.parametrize("source", [KEEPS, RETURNS, FORKS], ids=["waits", "returns", "child"])
def test_too_much_memory_ends_the_worker_and_the_next_one_serves(trial, source):
    """Page "Troubleshoot configuration issues in Lambda": memory configurations."""
    if source is FORKS:
        source = source.replace("subprocess.run", "event < 100 or subprocess.run")
    killed, after = invoke(trial, source, 300)
    assert json.loads(killed.payload) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {killed.request_id} "
        "Error: Runtime exited with error: signal: killed",
    }
    assert killed.error == "Unhandled"
    assert not killed.timed_out
    report = next(t for t in trial.texts if t.startswith(f"REPORT RequestId: {killed.request_id}"))
    assert "\tMemory Size: 128 MB\tMax Memory Used: 128 MB\t" in report
    assert report.endswith("Status: error\tError Type: Runtime.OutOfMemory\t")
    assert after.error is None


def test_as_much_as_the_function_has_is_fine(trial):
    fits, _ = invoke(trial, RETURNS, 300, memory=512)
    assert fits.payload == b"314572800"


def test_initialization_is_limited_too(trial):
    killed, _ = invoke(trial, LOADS, 1)
    assert json.loads(killed.payload)["errorMessage"].endswith("error: signal: killed")
    assert any(
        t.startswith("INIT_REPORT") and t.endswith("Error Type: Runtime.OutOfMemory")
        for t in trial.texts
    )
