"""`fairway apply` in a process that kills itself right after its nth call that changes something.

Run as: python killing.py N DIRECTORY. It prints how many such calls there were when it was
not killed. Every change goes through an AWS call, so this is every step there is.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from fairway.aws import Aws, Endpoint
from fairway.cli.source_control import find_provenance
from fairway.cli.target import choose_here
from fairway.cloud.launch import find_cloud
from fairway.route import apply_plan, load_app, plan_app, prepare_apply

READS = ("Describe", "Get", "List", "Head", "Scan")


class Killer:
    """Counts the calls that change something, and ends the process after one of them."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._counting = threading.Lock()
        self.calls: list[str] = []

    def watch(self, aws: Aws) -> None:
        for client in (aws.cloudformation, aws.s3, aws.dynamodb):
            client.meta.events.register("after-call.*.*", self.count)

    def count(self, model: Any = None, **_: Any) -> None:
        if model is None or model.name.startswith(READS):
            return
        with self._counting:
            self.calls.append(model.name)
            if len(self.calls) == self._after:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    directory = Path(sys.argv[2])
    killer = Killer(int(sys.argv[1]))
    info = find_cloud(directory / ".fairway")
    assert info is not None, "the local cloud does not run"
    aws = Aws(Endpoint(info.region, info.endpoint, info.access_key, info.secret_key))
    killer.watch(aws)
    app = load_app(directory)
    prepare_apply(app, aws)
    plan = plan_app(app, choose_here, aws)
    apply_plan(plan, aws, provenance=find_provenance(directory))
    print(json.dumps(killer.calls))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
