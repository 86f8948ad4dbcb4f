"""No worker outlives the process that it serves."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

PARENT = """
    import asyncio, os, sys
    from pathlib import Path
    from fairway.cloud.functions.model import Function
    from fairway.cloud.functions.pool import Limits
    from fairway.cloud.functions.runtime import Functions

    async def main(folder, declared):
        (folder / "app.py").write_text(
            "import os, subprocess, time\\n"
            "def handler(event, context):\\n"
            "    child = subprocess.Popen(['sleep', '600'])\\n"
            "    print('pids', os.getpid(), os.getppid(), child.pid)\\n"
            "    while event: pass\\n"
        )
        def write(group, stream, lines):
            for _, text in lines:
                if text.startswith("pids"):
                    print(text, flush=True)
        functions = Functions(
            base_environment=lambda _: {}, write_log=write, notice=lambda _: None,
            scratch=folder / "scratch", inherited={"PATH": os.defpath}, limits=Limits(workers=2),
        )
        function = Function(
            arn="arn", name="fn", runtime="python3.11", handler="app.handler", timeout=60,
            memory=128, code=folder, code_sha256="", log_group="g", region="eu-west-1",
            environment=declared,
        )
        await functions.put(function)
        await functions.invoke("arn", b"0")
        await functions.invoke("arn", b"1")

    asyncio.run(main(Path(sys.argv[1]), {"PYTHONHASHSEED": "0"} if sys.argv[2] == "1" else {}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("executed", ["0", "1"], ids=["forked", "executed"])
def test_a_killed_parent_leaves_nobody(tmp_path, alive, executed):
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(tmp_path), executed],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pids = set()
    for _ in range(2):  # idle children of the first one, a busy loop in the second
        pids |= {int(pid) for pid in parent.stdout.readline().split()[1:]}
    assert len(pids) == 4
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, [pid for pid in pids if alive(pid)]
        time.sleep(0.01)
