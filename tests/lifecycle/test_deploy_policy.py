"""A life cycle works under the policy that `fairway policy deploy` prints, and needs all of it.

The local cloud checks every call that reaches it over HTTP, and tells which it allowed. Its
CloudFormation makes resources itself and not in the caller's name, so what is proved here is
what Fairway calls; what CloudFormation calls for the deployer on AWS is taken from AWS's
schemas (tests/unit/operate, docs/unverified-on-aws.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from tests.access import read_access
from tests.lifecycle.applications import REFUSED, Application, Outcome, ask

from fairway.cloud.info import CloudInfo
from fairway.cloud.launch import find_cloud
from fairway.operate.deploy_policy import STAGE_CALLS

pytestmark = pytest.mark.slow

RAW = """
resources:
  Waiting: {Type: AWS::SQS::Queue}
  Kept:
    Type: AWS::S3::Bucket
    Properties: {VersioningConfiguration: {Status: Enabled}}
"""


@dataclass(frozen=True)
class Example:
    """What to do with an example: its table, the line of its sort key, and how to write a row."""

    table: str
    sort_key: str
    path: str


EXAMPLES = {
    "notes": Example("notes", "sort_key: written", "/authors/a/notes"),
    "timestamps": Example("entries", "sort_key: timeStamp", "/app"),
}
# Allowed, and not asked for by this life cycle here; each with where it is.
NOT_ASKED_HERE = {
    # AWS asks for it beside CreateChangeSet, for the tags; ministack does not.
    "cloudformation:TagResource",
    # DynamoDB asks who restores for these, for the rows; ministack does not.
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
    # `fairway repair` of a stack whose update failed, and could not or was not to be undone.
    "cloudformation:ContinueUpdateRollback",
    "cloudformation:RollbackStack",
}


@dataclass(frozen=True)
class Deployer:
    """A user of the local cloud with one policy; the command line acts as that user."""

    application: Application
    owner: CloudInfo
    example: Example

    def client(self, service: str) -> Any:
        """As the account's owner."""
        return boto3.client(
            service,
            region_name=self.owner.region,
            endpoint_url=self.owner.endpoint,
            aws_access_key_id=self.owner.access_key,
            aws_secret_access_key=self.owner.secret_key,
        )

    def allow(self, document: dict[str, Any]) -> None:
        self.client("iam").put_user_policy(
            UserName="deployer", PolicyName="deploy", PolicyDocument=json.dumps(document)
        )

    def print_policy(self) -> dict[str, Any]:
        printed: dict[str, Any] = self.application.fairway("policy", "deploy").expect().json()
        return printed

    def apply(self, *more: str) -> Outcome:
        return self.application.fairway("apply", "--yes", *more)

    def list_used(self) -> set[tuple[str, str]]:
        """Actions and resources that the deployer was allowed, as the cloud tells."""
        told = read_access(self.owner)
        return {(t["action"], t["resource"]) for t in told if t["principal"].endswith("deployer")}

    def decide(self, document: dict[str, Any], action: str, resources: set[str]) -> set[str]:
        """What the cloud's evaluator says to an action on these resources under a policy."""
        answer = self.client("iam").simulate_custom_policy(
            PolicyInputList=[json.dumps(document)],
            ActionNames=[action],
            ResourceArns=sorted(resources),
        )
        return {result["EvalDecision"] for result in answer["EvaluationResults"]}

    def find(self, logical_id: str) -> str:
        """The physical id of a resource in the app stack."""
        name = f"{self.application.directory.name}-local-app"
        found = self.client("cloudformation").describe_stack_resource(
            StackName=name, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


@pytest.fixture(params=["notes", "timestamps"])
def deployer(request: pytest.FixtureRequest, make_app: Callable[[str], Application]) -> Deployer:
    """A user without permissions, in a cloud where only the artifact stack is."""
    application = make_app(request.param)
    application.apply()
    info = find_cloud(application.directory / ".fairway")
    assert info is not None
    application.fairway("destroy", "--yes").expect()
    found = Deployer(application, info, EXAMPLES[request.param])
    iam = found.client("iam")
    iam.create_user(UserName="deployer")
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    file = application.directory / ".fairway" / "cloud.json"
    told = json.loads(file.read_text())
    told |= {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}
    file.write_text(json.dumps(told))
    return found


def live(deployer: Deployer) -> dict[str, Any]:
    """From the first apply to the last destroy, with all that may go wrong between.

    Returns the policy of when the application had the most.
    """
    app, example = deployer.application, deployer.example
    deployer.client("cloudformation").create_change_set(  # as of an apply that was killed
        StackName=f"{app.directory.name}-local-app",
        ChangeSetName="fairway-left",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}),
    )
    app.add(REFUSED)
    assert "this-bucket-is-not-there" in deployer.apply().expect(1).err
    app.replace(REFUSED, "")
    deployer.apply().expect()
    assert set(app.status()["stacks"].values()) == {"CREATE_COMPLETE"}
    app.replace("    handler:", "    variables: {TRIAL: '1'}\n    handler:")
    app.fairway("plan", "--drift", "--change-set").expect()
    deployer.apply().expect()
    source = next(iter(sorted((app.directory / "src").glob("*.py"))))
    source.write_text(source.read_text() + "\n# edited\n")
    deployer.apply().expect()

    app.add(REFUSED)
    assert "this-bucket-is-not-there" in deployer.apply().expect(1).err
    app.replace(REFUSED, "")
    row = ask("POST", f"{app.url()}{example.path}", b'{"text": "a"}')
    assert row.status < 300, row.text
    app.replace(example.sort_key, "sort_key: other")
    assert "a trial restore" in deployer.apply("--replace", example.table).expect().err

    app.add(RAW)
    document = deployer.print_policy()  # kinds have come
    deployer.allow(document)
    deployer.apply().expect()
    for key in ("a", "b"):
        deployer.client("s3").put_object(Bucket=deployer.find("Kept"), Key=key, Body=b"b")
    deployer.client("sqs").send_message(QueueUrl=deployer.find("Waiting"), MessageBody="m")
    app.replace(RAW, REFUSED)  # the messages that were taken for the backup are freed again
    deployer.apply("--delete", "Kept", "--delete", "Waiting").expect(1)
    app.replace(REFUSED, "")
    deployer.apply("--delete", "Kept", "--delete", "Waiting").expect()
    assert app.fairway("history", "--json").expect().json()["releases"]
    app.fairway("rollback", "--yes").expect()
    app.fairway("repair", "--yes").expect()
    app.fairway("destroy", "--yes", "--delete", example.table).expect()
    assert app.status()["stacks"] == {}
    return document


def test_a_life_cycle_uses_all_that_the_stages_are_allowed(deployer: Deployer) -> None:
    refused = deployer.apply().expect(1)
    assert "is not authorized to perform" in refused.err  # a user without any policy
    deployer.allow(deployer.print_policy())
    document = live(deployer)
    asked = deployer.list_used()
    used = {action for action, _ in asked}
    granted = {action for s in document["Statement"] for action in s["Action"]}
    stages: set[str] = set().union(*STAGE_CALLS.values())
    assert (stages & granted) - used == NOT_ASKED_HERE & granted
    assert used <= granted
    for action in sorted(used):
        resources = {resource for name, resource in asked if name == action}
        assert deployer.decide(document, action, resources) == {"allowed"}
        assert "allowed" not in deployer.decide(without(document, action), action, resources)


def without(document: dict[str, Any], action: str) -> dict[str, Any]:
    statements = [
        {**s, "Action": left}
        for s in document["Statement"]
        if (left := [a for a in s["Action"] if a != action])
    ]
    return {**document, "Statement": statements}


NEEDED = (
    "cloudformation:ListStacks",
    "cloudformation:CreateChangeSet",
    "cloudformation:ExecuteChangeSet",
    "s3:PutObject",
)


def test_apply_is_refused_by_name_without_what_it_needs(deployer: Deployer) -> None:
    document = deployer.print_policy()
    for action in NEEDED:
        deployer.allow(without(document, action))
        refused = deployer.apply().expect(1).err
        assert f"is not authorized to perform: {action} " in refused
    assert "`fairway policy deploy`" in refused  # of the last one
    deployer.allow(document)
    deployer.apply().expect()
