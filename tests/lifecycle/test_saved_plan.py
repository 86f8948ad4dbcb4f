"""Plans that are looked at before they are carried out: saved, recorded, inspected."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.lifecycle.applications import Application

from fairway.aws.endpoint import WriteRefused
from fairway.cli.target import choose_here
from fairway.plan.forecast import forecast_changes
from fairway.route import inspect_plan, load_app, plan_app

DEFINITION = """\
app: shop
region: eu-west-1
encryption: aws-key
components:
  orders: {type: table, partition_key: id}
  api:
    type: function
    handler: app.handler
    memory: 128MB
    uses: {orders: read}
resources:
  Extra: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 5}}
"""
SOURCE = "def handler(event, context):\n    return 1\n"


@pytest.fixture(scope="module")
def app(write_app: Callable[..., Application]) -> Application:
    application = write_app(DEFINITION, SOURCE)
    application.fairway("apply", "--yes").expect()
    return application


@pytest.fixture(autouse=True)
def original(app: Application) -> None:
    """Each test begins with the file that is deployed."""
    app.file.write_text(DEFINITION)


def save(app: Application) -> str:
    file = app.directory / "plan.json"
    shown = app.fairway("plan", "--save", str(file)).expect().out
    digest = json.loads(file.read_text())["digest"]
    assert f"digest {digest}" in shown
    return str(file)


def test_a_saved_plan_is_carried_out(app: Application) -> None:
    app.replace("memory: 128MB", "memory: 192MB")
    file = save(app)
    assert "MemorySize: 128 -> 192" in app.fairway("apply", file, "--yes").expect().out
    assert "nothing to change" in app.fairway("plan").expect().out
    # It is spent: what is there is no longer what it was made from.
    refused = app.fairway("apply", file, "--yes").expect(1)
    assert "no longer what was planned" in refused.err
    app.file.write_text(DEFINITION)
    app.fairway("apply", "--yes").expect()


def test_a_plan_of_a_file_that_moved_is_refused_and_changes_nothing(app: Application) -> None:
    app.replace("memory: 128MB", "memory: 192MB")
    file = save(app)
    app.replace("memory: 192MB", "memory: 256MB")
    refused = app.fairway("apply", file, "--yes").expect(1)
    assert "fairway.yml is not the file that was planned" in refused.err
    assert "MemorySize 128 -> 192" in refused.err
    assert "MemorySize 128 -> 256" in refused.err
    app.file.write_text(DEFINITION)
    assert "nothing to change" in app.fairway("plan").expect().out


def test_a_plan_of_other_code_is_refused(app: Application) -> None:
    code = app.directory / "src" / "app.py"
    file = save(app)
    code.write_text(SOURCE + "# another\n")
    try:
        refused = app.fairway("apply", file, "--yes").expect(1)
        assert "is not the one that was planned" in refused.err
    finally:
        code.write_text(SOURCE)


def test_a_plan_is_for_its_environment_only(app: Application) -> None:
    file = save(app)
    refused = app.fairway("apply", file, "-e", "prod", "--yes").expect(1)
    assert "the plan is for local, not for prod" in refused.err


def test_drift_is_told_apart_from_change(app: Application) -> None:
    aws = app.aws()
    resources = aws.cloudformation.describe_stack_resource(
        StackName="shop-local-app", LogicalResourceId="Extra"
    )
    url = resources["StackResourceDetail"]["PhysicalResourceId"]
    queues = aws._make_client("sqs")
    queues.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "6"})
    try:
        app.replace("memory: 128MB", "memory: 192MB")
        plan = app.fairway("plan", "--drift", "--json").expect().json()
        (drift,) = plan["drift"]
        assert (drift["logical_id"], drift["is_gone"]) == ("Extra", False)
        assert [(p["path"], str(p["before"]), str(p["after"])) for p in drift["properties"]] == [
            ("VisibilityTimeout", "5", "6")
        ]
        assert plan["counts"]["update"] == 1
        shown = app.fairway("plan", "--drift").expect().out
        assert "VisibilityTimeout: 5 -> 6" in shown.partition("drift: changed by others")[2]
    finally:
        queues.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5"})
    assert app.fairway("plan", "--drift", "--json").expect().json()["drift"] == []


def test_the_forecast_of_a_change_set_agrees_and_leaves_nothing(app: Application) -> None:
    app.replace("memory: 128MB", "memory: 192MB")
    shown = app.fairway("plan", "--change-set").expect().out
    assert "shop-local-app: agrees" in shown
    sets = app.aws().cloudformation.list_change_sets(StackName="shop-local-app")["Summaries"]
    assert [s["ChangeSetName"] for s in sets if s["ChangeSetName"].startswith("fairway-plan")] == []


def test_a_difference_from_the_forecast_is_shown(app: Application) -> None:
    """CloudFormation is right about a plan that forgot a change."""
    app.replace("memory: 128MB", "memory: 192MB")
    aws = app.aws()
    plan = plan_app(load_app(app.directory), choose_here, aws)
    (stack,) = [s for s in plan.stacks if s.name == "shop-local-app"]
    changes = tuple(replace(c, action=type(c.action).NONE) if c.logical_id == "Api" else c
                    for c in stack.changes)  # fmt: skip
    extra = replace(stack.changes[0], logical_id="Nowhere", action=type(changes[0].action).CREATE)
    wrong = replace(plan, stacks=(replace(stack, changes=(*changes, extra)),))
    (forecast,) = forecast_changes(aws, wrong, "wrong")
    assert forecast.differences == (
        "Api: the plan says none, CloudFormation update",
        "Nowhere: the plan says create, CloudFormation none",
    )


def test_planning_goes_through_clients_that_refuse_to_write(app: Application) -> None:
    app.replace("memory: 128MB", "memory: 192MB")
    reading = app.aws().reading()
    definition = load_app(app.directory)
    plan = inspect_plan(
        plan_app(definition, choose_here, reading), reading, drift=True, change_set=False
    )
    assert not plan.is_empty
    with pytest.raises(WriteRefused, match="CreateChangeSet"):
        inspect_plan(plan, reading, drift=False, change_set=True)
    with pytest.raises(WriteRefused, match="PutObject"):
        reading.s3.put_object(Bucket="any", Key="a", Body=b"")
    with pytest.raises(WriteRefused, match="DeleteStack"):
        reading.cloudformation.delete_stack(StackName="shop-local-app")
    # The clients that it was made from still write.
    app.aws().sts.get_caller_identity()


def test_without_anybody_to_ask_the_last_release_is_compared_with(app: Application) -> None:
    records = app.directory / ".fairway" / "releases" / "local"
    assert list(records.glob("*.json"))
    definition = load_app(app.directory)
    same = plan_app(definition, choose_here)
    assert same.is_empty
    assert same.against.startswith("release ")
    app.replace("memory: 128MB", "memory: 192MB")
    changed = plan_app(load_app(app.directory), choose_here)
    assert [c.logical_id for _, c in changed.changes() if c.action.value != "none"] == ["Api"]
