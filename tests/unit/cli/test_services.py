"""Many services: one that is edited is the one that changes; what a failure and a name mean."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from tests.unit.plan.test_cases import World
from tests.unit.workspaces import edit, write_root

from fairway.apply import NO_CONSENT, Consent, Provenance, Release
from fairway.apply.lock import Holder, Lock, explain_lock, tell_break
from fairway.apply.stateful import Endangered
from fairway.aws import Aws
from fairway.cli.commands.up import find_edited
from fairway.cli.consent import Given, _ask
from fairway.cli.delivery import Delivery, Proposal
from fairway.cli.main import run
from fairway.cli.pauses import Pauses
from fairway.cli.render.services import summarise_plans
from fairway.cli.selection import Selection, name_service, select
from fairway.cli.service_consent import require_services
from fairway.cli.services import AT_ONCE, CarryingOut, name_events
from fairway.cli.shared_stack import changes_shared, drop_shared, share_once
from fairway.cli.target import Target, choose_lambda
from fairway.compile import compile_app
from fairway.define import App
from fairway.errors import DeploymentFailed, FairwayError, InvalidApplication
from fairway.events import Event, Notice, ResourceProgress, StepStarted
from fairway.plan.record import ReleaseRecord, write_record
from fairway.route import pin_plan, plan_app

COUNT = 100


def release_all(root: Path, environment: str) -> list[App]:
    """Record, for each service, what would stand after a release of what its file says."""
    apps = select(root).load(environment)
    for app in apps:
        plan = plan_app(app, choose_lambda)
        (digest,) = {artifact.digest for artifact in plan.artifacts}
        stacks = World(digest).observe(compile_app(app))
        record = ReleaseRecord(1, app.name, environment, app.region, "today", stacks)
        write_record(app.home / ".fairway" / "releases" / app.service / environment, record)
    return apps


@pytest.fixture(scope="module")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a hundred services, all of them released."""
    root = write_root(tmp_path_factory.mktemp("hundred"), [f"s{n:02d}" for n in range(COUNT)])
    release_all(root, "poc")
    return root


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without credentials: plans are by what was recorded."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("no_aws")
def test_of_a_hundred_the_edited_one_changes(
    hundred: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", "-C", str(hundred), "-e", "poc", "--exit-code"]) == 0
    assert capsys.readouterr().out == "shop in poc: 100 services, nothing to change\n"

    edit(hundred / "services/s42/fairway.yml", "128MB", "256MB")
    edit(hundred / "services/s77/src/app.py", "first", "second")
    try:
        assert run(["plan", "-C", str(hundred), "-e", "poc", "--exit-code"]) == 2
        told = capsys.readouterr().out.splitlines()
        assert told[0] == "shop in poc: 2 of 100 services change: 2 to update"
        assert told[1] == "98 services: no change (s00, s01, s02, s03, s04, s05, ...)"
        stacks = [line.split()[0] for line in told if "stack changes" in line]
        assert stacks == ["shop-s42-poc-app", "shop-s77-poc-app"]

        assert run(["plan", "-C", str(hundred), "-e", "poc", "--json"]) == 0
        described = json.loads(capsys.readouterr().out)
        assert described["changed"] == ["s42", "s77"]
        assert len(described["services"]) == COUNT
        assert described["services"]["s42"]["app"] == "shop-s42"

        narrowed = ["plan", "-C", str(hundred), "-e", "poc", "--service", "s01", "--service", "s77"]
        assert run([*narrowed, "--markdown"]) == 0
        assert capsys.readouterr().out.startswith(
            "### shop in poc: 1 of 2 services changes: 1 to update\n\n1 service: no change (s01)\n"
        )
        assert run(["plan", "-C", str(hundred), "-e", "poc", "--service", "s42"]) == 0
        alone = capsys.readouterr().out
        assert run(["plan", "-C", str(hundred / "services" / "s42"), "-e", "poc"]) == 0
        assert capsys.readouterr().out == alone
    finally:
        edit(hundred / "services/s42/fairway.yml", "256MB", "128MB")
        edit(hundred / "services/s77/src/app.py", "second", "first")


@pytest.mark.usefixtures("no_aws")
def test_a_change_of_the_root_reaches_all(
    hundred: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(hundred / "fairway.yml", "owner: platform", "owner: somebody")
    try:
        run(["plan", "-C", str(hundred), "-e", "poc"])
        assert "100 of 100 services change" in capsys.readouterr().out
    finally:
        edit(hundred / "fairway.yml", "owner: somebody", "owner: platform")


@pytest.mark.usefixtures("no_aws")
def test_what_all_share_is_planned_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_root(tmp_path / "shop", ["a", "b", "c"])
    run(["plan", "-C", str(root), "-e", "poc"])
    out = capsys.readouterr().out
    assert out.count("fairway-artifacts  new stack") == 1
    assert out.startswith("shop in poc: 3 of 3 services change:")
    total = int(out.split(" to create")[0].rsplit(" ", 1)[1])
    each = [int(line.split(": ")[1].split()[0]) for line in out.splitlines() if "shop-" in line[:5]
            and " in poc (" in line]  # fmt: skip
    assert sum(each) == total


@pytest.mark.usefixtures("no_aws")
def test_every_problem_of_every_service_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_root(tmp_path / "shop", ["a", "b", "c"])
    edit(root / "services/a/fairway.yml", "app.handler", "app.handlr")
    edit(root / "services/c/fairway.yml", "type: table", "type: tabel")
    for verb in ("check", "plan", "apply"):
        assert run([verb, "-C", str(root), *(["--fast"] if verb == "check" else [])]) == 1
        told = capsys.readouterr()
        assert "services/a/fairway.yml:4:34: error" in told.out + told.err
        assert "services/c/fairway.yml:3:19: error" in told.out + told.err
    assert not (root / ".fairway").exists()


def make_deliveries(root: Path, names: list[str]) -> list[Delivery]:
    write_root(root, names)
    found: list[Delivery] = []
    for app in select(root).load("local"):
        plan = plan_app(app, choose_lambda)
        plan = drop_shared(plan) if found else plan
        target = Target(None, choose_lambda)
        proposal = Proposal(app, target, plan, Provenance(), "", is_idle=False)
        found.append(Delivery(proposal, Given()))
    return found


def carry_out(
    deliveries: list[Delivery], work: Callable[[str, threading.Event], None]
) -> CarryingOut:
    def deliver(delivery: Delivery, consent: Consent, stop: threading.Event) -> Release:
        work(delivery.proposal.app.service, stop)
        return cast("Release", object())

    carrying = CarryingOut(deliver)
    carrying.run(deliveries, [NO_CONSENT] * len(deliveries))
    return carrying


NAMES = [f"s{n}" for n in range(9)]


def test_the_first_one_makes_what_all_need_before_the_others_begin(tmp_path: Path) -> None:
    deliveries = make_deliveries(tmp_path, NAMES)
    assert [changes_shared(d.proposal.plan) for d in deliveries] == [True] + [False] * 8
    running: set[str] = set()
    beside: dict[str, set[str]] = {}
    met = threading.Barrier(AT_ONCE, timeout=20)

    def work(service: str, stop: threading.Event) -> None:
        running.add(service)
        if service in NAMES[1 : AT_ONCE + 1]:
            met.wait()  # these are side by side, or this ends in an error
        beside[service] = set(running)
        running.discard(service)

    carrying = carry_out(deliveries, work)
    assert beside["s0"] == {"s0"}
    assert max(map(len, beside.values())) <= AT_ONCE
    assert set(carrying.releases) == set(NAMES)


def test_another_region_makes_its_own_of_what_all_share(tmp_path: Path) -> None:
    deliveries = make_deliveries(tmp_path, ["a", "b", "c", "d"])
    whole = deliveries[0].proposal.plan
    here, there = (Target(None, choose_lambda) for _ in range(2))
    changing: set[object] = set()
    plans = [share_once(whole, target, changing) for target in (here, there, there, here)]
    assert [changes_shared(plan) for plan in plans] == [True, True, False, False]

    running: set[str] = set()
    beside: dict[str, set[str]] = {}

    def work(service: str, stop: threading.Event) -> None:
        running.add(service)
        beside[service] = set(running)
        running.discard(service)

    order = [plans[0], plans[3], plans[1], plans[2]]
    carry_out(
        [
            replace(d, proposal=replace(d.proposal, plan=plan))
            for d, plan in zip(deliveries, order, strict=True)
        ],
        work,
    )
    assert beside["c"] == {"c"}, "the first one there runs alone too"


def test_an_interruption_keeps_what_came_to_its_end(tmp_path: Path) -> None:
    """Ctrl-C lets those under way note how far they came; one of them may be done by then."""
    met = threading.Barrier(AT_ONCE, timeout=20)

    def work(service: str, stop: threading.Event) -> None:
        if service == "s0":
            return
        met.wait()
        if service == "s1":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        assert stop.wait(20)
        if service != "s1":
            raise DeploymentFailed("interrupted")

    releases: dict[str, Release] = {}

    def deliver(delivery: Delivery, consent: Consent, stop: threading.Event) -> Release:
        work(delivery.proposal.app.service, stop)
        return cast("Release", object())

    deliveries = make_deliveries(tmp_path, NAMES)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            CarryingOut(deliver, releases).run(deliveries, [NO_CONSENT] * len(deliveries))
    finally:
        signal.signal(signal.SIGINT, before)
    assert set(releases) == {"s0", "s1"}


def test_after_a_failure_no_other_begins_and_all_are_told(tmp_path: Path) -> None:
    deliveries = make_deliveries(tmp_path, NAMES)
    begun: list[str] = []
    failed = threading.Event()

    def work(service: str, stop: threading.Event) -> None:
        begun.append(service)
        if service == "s2":
            failed.set()
            raise DeploymentFailed("the bucket is gone", hint="make it", detail="its line")
        if service != "s0":
            assert failed.wait(20)  # whatever runs beside it ends after it

    with pytest.raises(DeploymentFailed) as caught:
        carry_out(deliveries, work)
    assert caught.value.summary == "s2: the bucket is gone"
    assert caught.value.hint == "make it"
    assert set(NAMES[:3]) <= set(begun)
    not_begun = [name for name in NAMES if name not in begun]
    assert not_begun
    assert caught.value.detail is not None
    lines = caught.value.detail.splitlines()
    assert lines[0] == "its line"
    assert lines[1].startswith("applied, and staying: s0")
    assert lines[2] == f"not begun: {', '.join(not_begun)}"


def test_a_bug_in_one_is_not_told_as_a_users_error(tmp_path: Path) -> None:
    def work(service: str, stop: threading.Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        carry_out(make_deliveries(tmp_path, ["a", "b"]), work)


class NothingReleased:
    """An account in which nothing was released yet: it has no bucket for releases."""

    cloudformation = property(lambda self: self)

    def describe_stacks(self, StackName: str) -> Any:
        error = {"Error": {"Code": "ValidationError", "Message": f"{StackName} does not exist"}}
        raise ClientError(error, "DescribeStacks")


@pytest.mark.parametrize("is_idle", [False, True])
@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        (Given(delete=("entries",)), "'entries' does not say of which", "write SERVICE/NAME, or"),
        (Given(replace=("s/x", "cc/entries")), "'s/x' is of no service that", "these are: a, bcc"),
        (Given(delete=("bc/api",)), "'bc/api' is of no service that", "did you mean 'bcc/api'?"),
        (Given(replace=("c/entries",)), "'c/entries' is of no service that", "these are: a, bcc"),
        (
            Given(delete=("a/nope",)),
            "shop-a has no 'nope' to",
            "leave it out; there are a/entr",
        ),
        (
            Given(replace=("bcc/entires",)),
            "shop-bcc has no 'entires' to",
            "did you mean 'bcc/entries'?",
        ),
    ],
)
def test_names_of_nothing_are_refused(
    tmp_path: Path, given: Given, said: str, hint: str, is_idle: bool
) -> None:
    there = Target(cast("Aws", NothingReleased()), choose_lambda)
    proposals = [
        replace(delivery.proposal, target=there, is_idle=is_idle)
        for delivery in make_deliveries(tmp_path, ["a", "bcc"])
    ]
    with pytest.raises(FairwayError, match=said) as refused:
        require_services(proposals, given)
    assert (refused.value.hint or "").startswith(hint)
    require_services(proposals, Given(delete=("a/entries",), replace=("bcc/api",)))


def test_a_digest_is_of_one_service(tmp_path: Path) -> None:
    """That is said first: the names beside it are those of a consent to one service's plan."""
    given = Given(approve="0123456789ab", replace=("entries",))
    proposals = [delivery.proposal for delivery in make_deliveries(tmp_path, ["a", "b"])]
    with pytest.raises(FairwayError, match="a digest is of the plan of one service") as refused:
        require_services(proposals, given)
    assert refused.value.hint == "add --service with its name"


def test_edits_belong_to_the_service_that_they_are_in(tmp_path: Path) -> None:
    root = write_root(tmp_path / "shop", ["a", "ab"])
    selection = select(root)
    apps = selection.load("local")

    def find(*files: str) -> list[str]:
        return [app.service for _, app in find_edited(selection, apps, [root / f for f in files])]

    assert find("services/a/src/app.py") == ["a"]
    assert find("services/ab/fairway.yml", "README.md") == ["ab"]
    assert find("README.md") == []
    assert find("fairway.yml") == ["a", "ab"]
    alone = Selection(root / "services" / "a")
    assert len(find_edited(alone, apps[:1], [tmp_path / "anything"])) == 1


def test_pauses_grow_with_what_there_is_to_ask() -> None:
    clock, slept = [0.0], []

    def sleep(seconds: float) -> bool:
        slept.append(seconds)
        clock[0] += seconds
        return True

    pauses = Pauses(sleep, 0.4, lambda: clock[0])
    for asking in (0.01, 2.0, 0.05):
        clock[0] += asking
        assert pauses.wait()
    assert slept == pytest.approx([0.4, 8.0, 0.4])


def test_events_and_questions_say_which_service() -> None:
    told: list[Event] = []
    report = name_events("orders", told.append)
    report(StepStarted("back up jobs"))
    report(Notice("it takes long"))
    report(ResourceProgress("shop-orders-local-app", "Api", "AWS::Lambda::Function", "DONE"))
    assert [told[0], told[1]] == [
        StepStarted("orders: back up jobs"),
        Notice("orders: it takes long"),
    ]
    assert isinstance(told[2], ResourceProgress)
    assert told[2].logical_id == "orders/Api"

    endangered = Endangered("jobs", "delete", cast("Any", None), "rows", can_back_up=True)
    with CliRunner().isolation(input="jobs\n") as streams:
        assert _ask(endangered, "orders")
        assert b"jobs of orders holds rows." in streams[1].getvalue()


def test_the_hint_of_a_held_lock_names_the_service() -> None:
    now = datetime.now(UTC)
    holder = Holder("me", "here", "", 1, "")
    lock = Lock("1f3a9c02", "shop-orders", "prod", "apply", now.isoformat(), holder)
    error = explain_lock(lock, now)
    assert error.hint is not None
    assert error.hint.endswith(": fairway unlock -e prod --break 1f3a9c02")
    name_service(error, "orders")
    assert error.hint.endswith(f": {tell_break(lock, 'orders')}")
    assert "fairway unlock --service orders -e prod" in error.hint


def test_a_saved_plan_is_of_the_roots_file_too(tmp_path: Path) -> None:
    root = write_root(tmp_path / "shop", ["a"])
    (app,) = select(root).load("poc")
    plan = plan_app(app, choose_lambda)
    sts = SimpleNamespace(get_caller_identity=lambda: {"Account": "123456789012"})
    aws = cast("Aws", SimpleNamespace(sts=sts))
    before = pin_plan(plan, app, aws).file_digest
    assert pin_plan(plan, app, aws).file_digest == before
    edit(root / "fairway.yml", "poc: {}", "poc: {profile: other}")
    assert pin_plan(plan, app, aws).file_digest != before


def test_a_service_that_cannot_be_found_is_not_said_to_be_none(tmp_path: Path) -> None:
    root = write_root(tmp_path / "shop", ["a"])
    (root / "services" / "away").symlink_to(tmp_path)
    with pytest.raises(InvalidApplication) as caught:
        select(root, ["away"])
    assert [problem.code for problem in caught.value.diagnostics] == ["service-outside"]


def test_a_plan_of_parameters_alone_is_told_as_one(tmp_path: Path) -> None:
    (delivery,) = make_deliveries(tmp_path / "shop", ["a"])
    app = delivery.proposal.app
    plan = plan_app(app, choose_lambda)
    (digest,) = {artifact.digest for artifact in plan.artifacts}
    stacks = {
        name: replace(stack, parameters={}, codes={"Api": "artifacts/other.zip"})
        for name, stack in World(digest).observe(compile_app(app)).items()
    }
    lagging = replace(
        plan,
        stacks=tuple(replace(s, observed=stacks.get(s.name), changes=()) for s in plan.stacks[1:]),
        full=True,
    )
    assert not lagging.is_empty
    (line,) = summarise_plans("shop", "local", {"a": lagging})
    assert line == "shop in local: 1 of 1 service changes: parameters to update"


@pytest.mark.usefixtures("no_aws")
def test_the_next_step_of_a_full_plan_is_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_root(tmp_path / "shop", ["a", "b"])
    for where in (root, root / "services" / "a"):
        assert run(["plan", "-C", str(where), "-e", "poc", "--full"]) == 0
        assert "next: fairway apply --full -e poc" in capsys.readouterr().err
