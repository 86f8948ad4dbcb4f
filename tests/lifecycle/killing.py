"""Applies that kill themselves right after their nth call that changes something.

Run as: python killing.py. For each line `[N, DIRECTORY]` it forks one, since all that an apply
needs is imported already, and answers `[EXIT CODE, CALLS]`: the calls that changed something,
when it was not killed. Every change goes through an AWS call, so this is every step there is.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from fairway.apply import NO_CONSENT
from fairway.aws import Aws, Endpoint
from fairway.cli.consent import Given
from fairway.cli.delivery import Delivery
from fairway.cli.selection import Selection, select
from fairway.cli.services import (
    carry_out_services,
    propose_all,
    propose_update,
    survey_services,
)
from fairway.cli.source_control import find_provenance
from fairway.cli.target import Target, choose_here
from fairway.cloud.launch import find_cloud
from fairway.events import ignore_events
from fairway.route import apply_plan, load_app, plan_app, prepare_apply

READS = ("Describe", "Get", "List", "Head", "Scan")


class Killer:
    """Counts the calls that change something, and ends the process after one of them."""

    def __init__(self, after: int) -> None:
        self._after = after
        self._counting = threading.Lock()
        self.calls: list[str] = []

    def watch(self, aws: Aws) -> None:
        for client in (aws.cloudformation, aws.s3, aws.dynamodb, aws.lambda_):
            client.meta.events.register("after-call.*.*", self.count)

    def count(self, model: Any = None, **_: Any) -> None:
        if model is None or model.name.startswith(READS):
            return
        with self._counting:
            self.calls.append(model.name)
            if len(self.calls) == self._after:
                os.kill(os.getpid(), signal.SIGKILL)


def apply_and_die(after: int, directory: Path) -> list[str]:
    """Deploy as the command line does; the calls that changed something, if none was the last."""
    killer = Killer(after)
    info = find_cloud(directory / ".fairway")
    assert info is not None, "the local cloud does not run"
    aws = Aws(Endpoint(info.region, info.endpoint, info.access_key, info.secret_key))
    killer.watch(aws)
    selection = select(directory)
    if selection.workspace is None:
        apply_one(directory, aws)
    else:
        apply_services(selection, Target(aws, choose_here, info))
    return killer.calls


def apply_one(directory: Path, aws: Aws) -> None:
    app = load_app(directory)
    prepare_apply(app, aws)
    plan = plan_app(app, choose_here, aws)
    apply_plan(plan, aws, provenance=find_provenance(directory))


def apply_services(selection: Selection, target: Target) -> None:
    apps = selection.load("local")
    opened = survey_services(apps, [target] * len(apps), ignore_events)
    proposals = propose_all(propose_update, opened, ignore_events)
    work = [Delivery(proposal, Given()) for proposal in proposals if not proposal.is_idle]
    carry_out_services(work, [NO_CONSENT] * len(work), ignore_events, {})


def fork_apply(after: int, directory: Path) -> tuple[int, list[str]]:
    """The same in a process of its own; its exit code and its calls."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.write(tell, json.dumps(apply_and_die(after, directory)).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(tell)
    with os.fdopen(told) as answer:
        calls = answer.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), json.loads(calls or "[]")


def load_clients() -> None:
    """Import and read what an apply would, when it comes to it."""
    import fairway.apply  # noqa: F401

    aws = Aws(Endpoint("eu-west-1", "http://127.0.0.1:9", "key", "secret"))
    for service in ("cloudformation", "s3", "dynamodb", "logs"):
        getattr(aws, service)


def main() -> int:
    load_clients()
    for line in sys.stdin:
        after, directory = json.loads(line)
        print(json.dumps(fork_apply(after, Path(directory))), flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
