"""Functions are given code directly: all of them or none, and what they run stays known."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from tests.unit.apply.fakes import BEGAN, FakeS3, fail
from tests.unit.apply.test_journal import make_release

from fairway.apply.giving_code import GivingCode
from fairway.apply.journal import Journal, read_journal
from fairway.apply.store import Store
from fairway.aws import Aws
from fairway.compile.template import ArtifactKey, StackTemplate
from fairway.errors import DeploymentFailed
from fairway.events import Event, Notice, StepFinished
from fairway.plan import ObservedStack
from fairway.plan.given_code import CodeNote, Given, note_key, observe_code, parse_note
from fairway.plan.model import CodeChange, StackPlan
from fairway.plan.waiting import Interrupted, Pace

STACK = "shop-prod-app"
NOTE = note_key("shop", "prod")


def digest(key: str) -> str:
    return base64.b64encode(hashlib.sha256(key.encode()).digest()).decode()


class Gone(ClientError):
    pass


class Moved(ClientError):
    pass


@dataclass
class FakeLambda:
    """Functions by name, each with the archive that it runs.

    busy: how many questions about a function are answered with an update in progress.
    refuses: what an update raises. breaks: functions whose update ends as failed.
    """

    runs: dict[str, str]
    busy: dict[str, int] = field(default_factory=dict)
    refuses: dict[str, Exception] = field(default_factory=dict)
    breaks: set[str] = field(default_factory=set)
    updates: list[tuple[str, str]] = field(default_factory=list)
    on_update: Callable[[str], None] = lambda name: None
    exceptions = SimpleNamespace(ResourceNotFoundException=Gone, PreconditionFailedException=Moved)
    _failed: set[str] = field(default_factory=set)

    def get_function(self, FunctionName: str) -> dict[str, Any]:
        if FunctionName not in self.runs:
            raise fail("ResourceNotFoundException", 404, Gone)
        left = self.busy.get(FunctionName, 0)
        self.busy[FunctionName] = max(0, left - 1)
        status = "Failed" if FunctionName in self._failed else "Successful"
        return {
            "Configuration": {
                "CodeSha256": digest(self.runs[FunctionName]),
                "RevisionId": f"of {self.runs[FunctionName]}",
                "LastUpdateStatus": "InProgress" if left else status,
                "LastUpdateStatusReason": "no interface is free",
                "State": "Active",
            }
        }

    def update_function_code(
        self, FunctionName: str, S3Bucket: str, S3Key: str, RevisionId: str
    ) -> None:
        assert S3Bucket == "bucket"
        if self.busy.get(FunctionName):
            raise fail("ResourceConflictException", 409)
        self.on_update(FunctionName)
        if FunctionName in self.refuses:
            raise self.refuses.pop(FunctionName)
        if RevisionId != f"of {self.runs[FunctionName]}":
            raise fail("PreconditionFailedException", 412, Moved)
        self.updates.append((FunctionName, S3Key))
        self.busy[FunctionName] = 2
        self._failed.discard(FunctionName)
        if FunctionName in self.breaks:
            self._failed.add(FunctionName)
            self.breaks.discard(FunctionName)
        self.runs[FunctionName] = S3Key


@dataclass
class FakeStacks:
    """Stacks that all have one status; refuses: what asking for one raises."""

    status: str = "UPDATE_ROLLBACK_COMPLETE"
    refuses: Exception | None = None

    def describe(self, StackName: str) -> dict[str, Any]:
        if self.refuses is not None:
            raise self.refuses
        return {"Stacks": [{"StackStatus": self.status}]}


class World:
    """An apply on its way: a bucket with archives, functions, and what is told."""

    def __init__(self, **runs: str) -> None:
        self.s3 = FakeS3()
        for key in ("a", "b", "c"):
            self.s3.objects[key] = key.encode()
        self.lambda_ = FakeLambda(runs)
        self.stacks = FakeStacks()
        cloudformation = SimpleNamespace(describe_stacks=self.stacks.describe)
        self.aws = cast(
            "Aws",
            SimpleNamespace(s3=self.s3, lambda_=self.lambda_, cloudformation=cloudformation),
        )
        self.told: list[Event] = []
        self.number = 0

    def start(self, *stacks: StackPlan) -> GivingCode:
        self.number += 1
        store = Store(self.aws, "bucket")
        self.journal = Journal(store, make_release(self.number), lambda: BEGAN)
        self.journal.open()
        pace = Pace(first=0, longest=0)
        code = GivingCode(self.aws, self.journal, self.told.append, pace)
        code.open(stacks)
        return code

    @property
    def note(self) -> CodeNote | None:
        body = self.s3.objects.get(NOTE)
        return parse_note(body) if body else None

    def list_steps(self) -> list[tuple[str, bool]]:
        found = read_journal(self.journal.store, "shop", "prod", self.number)
        assert found
        return sorted((step.name, step.failed) for step in found[1])


def change(component: str, before: str = "a", after: str = "b") -> CodeChange:
    return CodeChange(STACK, component.title(), component, f"{component}-1", before, after)


def make_stack(told: str, wanted: str, *names: str) -> StackPlan:
    """The plan of a stack whose functions all take one archive; told: what it was given last."""
    resources = {
        name: {
            "Type": "AWS::Lambda::Function",
            "Properties": {"Code": {"S3Bucket": "bucket", "S3Key": {"Ref": "Code"}}},
        }
        for name in names
    }
    body = {"Resources": resources}
    template = StackTemplate(STACK, "app", body, {"Code": ArtifactKey("src")}, {}, {})
    ids = {name: f"{name.lower()}-1" for name in names}
    there = ObservedStack(STACK, "CREATE_COMPLETE", body, {"Code": told}, {}, ids)
    return StackPlan(STACK, template, there, {"Code": wanted}, ())


def test_each_function_is_given_its_code_and_waited_for() -> None:
    world = World(**{"api-1": "a", "worker-1": "a", "other-1": "a"})
    world.lambda_.busy["api-1"] = 3  # an update of somebody else's that ends by itself
    code = world.start()
    code.give([change("api"), change("worker")])
    assert world.lambda_.runs == {"api-1": "b", "worker-1": "b", "other-1": "a"}
    assert world.lambda_.busy == {"api-1": 0, "worker-1": 0}
    assert world.list_steps() == [("code of api", False), ("code of worker", False)]
    finished = [event for event in world.told if isinstance(event, StepFinished)]
    assert sorted(event.name for event in finished) == ["code of api", "code of worker"]

    code.finish([make_stack("a", "b", "Api", "Worker")], {STACK: {"Code": "b"}})
    assert world.note == CodeNote(
        {(STACK, "Api"): Given("api-1", "b"), (STACK, "Worker"): Given("worker-1", "b")},
        {digest("a"): "a", digest("b"): "b"},
    )


def test_the_note_is_there_before_any_code_is_given() -> None:
    world = World(**{"api-1": "a"})
    seen: list[CodeNote | None] = []
    world.lambda_.on_update = lambda name: seen.append(world.note)
    world.start().give([change("api")])
    assert seen == [
        CodeNote({(STACK, "Api"): Given("api-1", "a", "b")}, {digest("a"): "a", digest("b"): "b"})
    ]


@pytest.mark.parametrize("how", ["refused", "broken", "moved"])
def test_one_that_fails_takes_the_others_back(how: str) -> None:
    names = [f"f{number}" for number in range(6)]
    world = World(**{f"{name}-1": "a" for name in names})
    last = "f5-1"
    if how == "refused":
        world.lambda_.refuses[last] = fail("AccessDeniedException", 403)
    elif how == "broken":
        world.lambda_.breaks.add(last)
    else:
        world.lambda_.runs[last] = "c"
    with pytest.raises(DeploymentFailed) as failed:
        world.start().give([change(name) for name in names])
    kept = "c" if how == "moved" else "a"
    assert world.lambda_.runs == {**{f"{n}-1": "a" for n in names}, last: kept}
    assert failed.value.hint
    what = {
        "refused": "f5 could not be given its code: AccessDeniedException",
        "broken": "f5-1 did not take its new code: no interface is free",
        "moved": "the code of f5 was changed by somebody else",
    }
    assert what[how] in failed.value.summary
    taken_back = {name for name, key in world.lambda_.updates if key == "a"}
    said = failed.value.detail or ""
    assert all(name.removesuffix("-1") in said for name in taken_back)
    assert ("given the code of before again" in said) is bool(taken_back)
    assert ("code of f5", True) in world.list_steps()


def test_what_cannot_be_taken_back_is_told() -> None:
    world = World(**{"api-1": "a", "worker-1": "a"})
    code = world.start()
    done = threading.Event()

    def refuse(name: str) -> None:
        if name == "worker-1":
            assert done.wait(10)  # until the other one has its code
            world.lambda_.refuses[name] = fail("AccessDeniedException", 403)
            world.lambda_.refuses["api-1"] = fail("TooManyRequestsException", 429)

    world.lambda_.on_update = refuse
    code.report = lambda event: done.set() if isinstance(event, StepFinished) else None
    with pytest.raises(DeploymentFailed) as failed:
        code.give([change("api"), change("worker")])
    detail = str(failed.value.detail)
    assert "not put back: api could not be given its code: TooManyRequestsException" in detail
    # The next apply learns from Lambda what runs, and says that it is not what was meant.
    observed = observe(world)
    assert observed[STACK].codes == {"Api": "b", "Worker": "a"}
    assert any(isinstance(e, Notice) and "Api of shop-prod-app runs other" in e.text
               for e in world.told)  # fmt: skip


def observe(world: World, **ids: str) -> dict[str, ObservedStack]:
    there = ObservedStack(
        STACK, "CREATE_COMPLETE", {}, {}, {}, {"Api": "api-1", "Worker": "worker-1", **ids}
    )
    bucket = ObservedStack(
        "fairway-artifacts", "CREATE_COMPLETE", {}, {}, {"BucketName": "bucket"}, {}
    )
    stacks = {STACK: replace(there, codes={"Stale": "x"}), bucket.name: bucket}
    return observe_code(world.aws, "shop", "prod", stacks, world.told.append)


def test_an_apply_that_was_killed_between_two_is_carried_on() -> None:
    world = World(**{"api-1": "a", "worker-1": "a"})
    world.start().give([change("api")])  # as far as it came
    assert observe(world)[STACK].codes == {"Api": "b"}
    world.lambda_.updates.clear()
    second = world.start()
    second.give([change("api"), change("worker")])  # one of them has it already
    assert world.lambda_.updates == [("worker-1", "b")]


def run_observed(world: World, stack: StackPlan) -> StackPlan:
    """The plan of a stack, knowing what its functions run."""
    assert stack.observed
    codes = observe(world)[STACK].codes
    return replace(stack, observed=replace(stack.observed, codes=codes))


def fail_update(
    world: World, stack: StackPlan, wanted: str, why: BaseException | None = None, **runs: str
) -> DeploymentFailed:
    """An update that ends badly; runs: what its functions run then."""
    code = world.start(run_observed(world, stack))

    def update() -> None:
        with code.beside(stack, {"Code": wanted}):
            world.lambda_.runs.update(runs)
            raise why or DeploymentFailed("a bucket is missing")

    with pytest.raises(DeploymentFailed) as failed:
        update()
    return failed.value


def begin_to_give(world: World, *components: str, before: str, after: str) -> None:
    """An apply that is interrupted when all but the last function have their code."""
    code = world.start()

    def interrupt(name: str) -> None:
        if name == f"{components[-1]}-1":
            raise Interrupted

    world.lambda_.on_update = interrupt
    with pytest.raises(Interrupted):
        code.give([change(name, before, after) for name in components])
    world.lambda_.on_update = lambda name: None
    world.lambda_.busy.clear()


def test_after_an_interruption_a_failed_update_leaves_the_code_that_was_given() -> None:
    world = World(**{"api-1": "a", "worker-1": "a"})
    begin_to_give(world, "api", "worker", before="a", after="b")
    world.lambda_.runs |= {"api-1": "b", "worker-1": "b"}  # that one came through all the same
    world.told.clear()
    stack = make_stack("a", "c", "Api", "Worker")
    failed = fail_update(world, stack, "c", **{"api-1": "a", "worker-1": "a"})
    assert not [event for event in world.told if isinstance(event, Notice)]  # it ran as given
    assert world.lambda_.runs == {"api-1": "b", "worker-1": "b"}
    assert failed.detail == "given the code of before again: Api, Worker"


def test_after_an_interruption_a_failed_short_way_goes_back_one_step_only() -> None:
    world = World(**{"api-1": "a", "worker-1": "a"})
    begin_to_give(world, "api", "worker", before="a", after="b")
    world.lambda_.runs |= {"api-1": "b"}
    stack = run_observed(world, make_stack("a", "c", "Api", "Worker"))
    assert stack.observed
    assert stack.observed.codes == {"Api": "b", "Worker": "a"}
    code = world.start(stack)
    world.lambda_.refuses["worker-1"] = fail("AccessDeniedException", 403)
    with pytest.raises(DeploymentFailed):
        code.give([change("api", "b", "c"), change("worker", "a", "c")])
    assert world.lambda_.runs == {"api-1": "b", "worker-1": "a"}


def test_a_kill_after_an_update_leaves_what_it_gave() -> None:
    world = World(**{"api-1": "a"})
    code = world.start()
    code.give([change("api")])
    code.finish([make_stack("a", "b", "Api")], {STACK: {"Code": "b"}})
    way = world.start().beside(make_stack("a", "c", "Api"), {"Code": "c"})
    way.__enter__()
    world.lambda_.runs["api-1"] = "c"  # and never left
    world.s3.objects["d"] = b"d"
    fail_update(world, make_stack("c", "d", "Api"), "d")
    assert world.lambda_.runs == {"api-1": "c"}


def test_what_was_put_back_is_settled() -> None:
    world = World(**{"api-1": "a", "worker-1": "a"})
    code = world.start()
    world.lambda_.refuses["worker-1"] = fail("AccessDeniedException", 403)
    with pytest.raises(DeploymentFailed):
        code.give([change("api"), change("worker")])
    assert world.note is not None
    assert {given.towards for given in world.note.functions.values()} == {""}


@pytest.mark.parametrize("there", [True, False])
def test_an_update_of_which_no_answer_came_is_no_end_for_the_functions(there: bool) -> None:
    world = World(**{"api-1": "a"})
    code = world.start()
    code.give([change("api")])
    code.finish([make_stack("a", "b", "Api")], {STACK: {"Code": "b"}})
    stack = make_stack("a", "c", "Api")
    if not there:
        world.stacks.refuses = fail("ExpiredToken", 403)
    failed = fail_update(world, stack, "c", fail("Throttling", 400), **{"api-1": "a"})
    assert failed.summary == "a request was refused: Throttling"
    assert world.lambda_.runs == {"api-1": "b" if there else "a"}
    assert failed.detail == (
        "given the code of before again: Api"
        if there
        else "what the functions of shop-prod-app run now could not be asked; the next apply "
        "tells what runs, and puts it right"
    )


def test_a_lost_answer_is_no_failure() -> None:
    world = World(**{"api-1": "a"})

    def give_before(name: str) -> None:
        world.lambda_.runs[name] = "b"

    world.lambda_.on_update = give_before
    world.start().give([change("api")])
    assert world.lambda_.runs == {"api-1": "b"}


def test_stopping_leaves_everything_as_it_is() -> None:
    world = World(**{"api-1": "a", "worker-1": "a"})
    world.lambda_.busy["api-1"] = 10**6
    code = world.start()
    code.pace.stop.set()
    with pytest.raises(Interrupted):
        code.give([change("api"), change("worker")])
    assert world.lambda_.updates == []


def test_after_an_update_the_stack_tells_what_runs() -> None:
    """CloudFormation does not give code again that it believes to be there."""
    world = World(**{"api-1": "a", "worker-1": "a"})
    code = world.start()
    code.give([change("api")])
    stack = make_stack("a", "a", "Api", "Worker")  # back to the code of the stack
    with code.beside(stack, {"Code": "a"}):
        assert world.lambda_.runs["api-1"] == "b"
    assert world.lambda_.runs["api-1"] == "a"
    assert world.note is None
    code.finish([stack], {STACK: {"Code": "a"}})
    assert world.note is None
    assert observe(world)[STACK].codes == {}


def test_after_an_update_that_failed_the_newest_code_is_given_again() -> None:
    world = World(**{"api-1": "a", "worker-1": "a"})
    code = world.start()
    code.give([change("api"), change("worker")])
    code.finish([make_stack("a", "b", "Api", "Worker")], {STACK: {"Code": "b"}})

    stack = make_stack("a", "c", "Api", "Worker")
    # To one function it gave what it was told last, and from the other it did not take back.
    failed = fail_update(world, stack, "c", **{"api-1": "a", "worker-1": "c"})
    assert world.lambda_.runs == {"api-1": "b", "worker-1": "b"}
    assert failed.summary == "a bucket is missing"
    assert failed.detail == "given the code of before again: Api, Worker"
    assert world.list_steps() == [("code of Api again", False), ("code of Worker again", False)]


def test_after_a_kill_in_between_the_next_failure_gives_it_again_too() -> None:
    world = World(**{"api-1": "a"})
    code = world.start()
    code.give([change("api")])
    code.finish([make_stack("a", "b", "Api")], {STACK: {"Code": "b"}})
    world.lambda_.runs["api-1"] = "a"  # rolled back, and the apply killed before it saw that
    assert observe(world)[STACK].codes == {"Api": "a"}
    stack = make_stack("a", "c", "Api")
    fail_update(world, stack, "c")
    assert world.lambda_.runs == {"api-1": "b"}


@pytest.mark.parametrize("why", ["moving", "foreign", "gone"])
def test_what_is_not_ours_to_restore_stays(why: str) -> None:
    world = World(**{"api-1": "a"})
    code = world.start()
    code.give([change("api")])
    world.lambda_.runs["api-1"] = "c" if why == "foreign" else "a"
    if why == "moving":
        world.stacks.status = "UPDATE_ROLLBACK_IN_PROGRESS"
    if why == "gone":
        del world.lambda_.runs["api-1"]
    before = dict(world.lambda_.runs)
    failed = fail_update(world, make_stack("a", "b", "Api"), "b")
    assert world.lambda_.runs == before
    assert failed.detail == (
        "the functions of shop-prod-app may be given older code meanwhile; the next apply tells "
        "what runs, and puts it right"
        if why == "moving"
        else None
    )


def test_the_note_goes_when_functions_are_given_what_their_stack_says() -> None:
    world = World(**{"api-1": "a"})
    code = world.start()
    code.give([change("api")])
    code.finish([make_stack("a", "b", "Api")], {STACK: {"Code": "b"}})
    back = world.start()
    back.give([change("api", "b", "a")])
    back.finish([make_stack("a", "a", "Api")], {STACK: {"Code": "a"}})
    assert NOTE not in world.s3.objects


def test_functions_that_were_replaced_are_not_asked() -> None:
    world = World(**{"api-1": "a", "worker-1": "a"})
    world.start().give([change("api"), change("worker")])
    assert observe(world, Api="api-2")[STACK].codes == {"Worker": "b"}
    world.lambda_.runs["worker-1"] = "by hand"
    found = observe(world)[STACK].codes
    assert found == {"Api": "b", "Worker": f"sha256:{digest('by hand')}"}


def test_who_lost_the_lock_writes_no_note() -> None:
    world = World(**{"api-1": "a"})
    code = world.start()
    world.s3.objects[NOTE] = json.dumps({"format": 1, "functions": [], "archives": {}}).encode()
    with pytest.raises(DeploymentFailed, match="somebody broke the lock"):
        code.give([change("api")])
    assert world.lambda_.updates == []


def test_who_lost_the_lock_removes_no_note() -> None:
    world = World(**{"api-1": "a"})
    code = world.start()
    code.give([change("api")])
    of_another = json.dumps({"format": 1, "functions": [], "archives": {}}).encode()
    world.s3.objects[NOTE] = of_another
    with pytest.raises(DeploymentFailed, match="somebody broke the lock"):
        code.finish([make_stack("b", "b", "Api")], {STACK: {"Code": "b"}})
    assert world.s3.objects[NOTE] == of_another


def test_what_could_not_be_put_back_is_not_begun() -> None:
    world = World(**{"api-1": "a"})
    del world.s3.objects["a"]
    with pytest.raises(DeploymentFailed, match="a is no longer in the artifact bucket") as failed:
        world.start().give([change("api")])
    assert failed.value.hint == "take the full way: --full"
    assert world.lambda_.updates == []


def test_a_note_of_a_later_version_is_refused() -> None:
    with pytest.raises(DeploymentFailed, match="a later Fairway"):
        parse_note(b'{"format": 2}')


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"format": 1}', b"\xff"])
def test_a_note_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(DeploymentFailed, match="cannot be read") as refused:
        parse_note(body)
    assert refused.value.hint


def test_a_note_of_before_is_read() -> None:
    function = {"stack": STACK, "logical_id": "Api", "function": "api-1", "key": "a"}
    body = json.dumps({"format": 1, "functions": [function], "archives": {}}).encode()
    assert parse_note(body) == CodeNote({(STACK, "Api"): Given("api-1", "a")}, {})
