"""apply works under the policy that `fairway policy deploy` prints, and under nothing less.

The local cloud checks every call that reaches it over HTTP. Its CloudFormation makes resources
itself and not in the caller's name, so what is proved is what Fairway calls; what CloudFormation
calls for the deployer on AWS is taken from AWS's schemas (docs/unverified-on-aws.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.lifecycle.applications import Application

from fairway.aws import Aws, Endpoint
from fairway.cli.target import choose_here, state_directory
from fairway.cloud.launch import find_cloud
from fairway.compile import compile_app
from fairway.errors import FairwayError
from fairway.operate.deploy_policy import make_deploy_policy
from fairway.route import apply_plan, load_app, plan_app, plan_removal

pytestmark = pytest.mark.slow
NEEDED = (
    "cloudformation:ListStacks",
    "cloudformation:CreateChangeSet",
    "cloudformation:ExecuteChangeSet",
    "s3:PutObject",
)


@dataclass(frozen=True)
class Deployer:
    """A user of the local cloud with one policy, and the clients of its access key."""

    application: Application
    iam: Any
    aws: Aws

    def allow(self, document: dict[str, Any]) -> None:
        text = json.dumps(document)
        self.iam.put_user_policy(UserName="deployer", PolicyName="deploy", PolicyDocument=text)

    def make_policy(self) -> dict[str, Any]:
        """As the command prints it."""
        app = load_app(self.application.directory)
        document = make_deploy_policy(app, compile_app(app))
        printed = self.application.fairway("policy", "deploy").expect().json()
        assert printed == document
        return document

    def apply(self) -> int:
        app = load_app(self.application.directory)
        plan = plan_app(app, choose_here, self.aws)
        return apply_plan(plan, self.aws).number


@pytest.fixture(params=["notes", "timestamps"])
def deployer(
    request: pytest.FixtureRequest, make_app: Callable[[str], Application]
) -> Iterator[Deployer]:
    """A user without permissions, in a cloud where only the artifact stack is."""
    application = make_app(request.param)
    application.apply()
    info = find_cloud(state_directory(application.directory))
    assert info is not None
    application.fairway("destroy", "--yes").expect()
    iam = boto3.client(
        "iam",
        region_name=info.region,
        endpoint_url=info.endpoint,
        aws_access_key_id=info.access_key,
        aws_secret_access_key=info.secret_key,
    )
    iam.create_user(UserName="deployer")
    key = iam.create_access_key(UserName="deployer")["AccessKey"]
    endpoint = Endpoint(info.region, info.endpoint, key["AccessKeyId"], key["SecretAccessKey"])
    yield Deployer(application, iam, Aws(endpoint))
    application.stop()


def without(document: dict[str, Any], action: str) -> dict[str, Any]:
    assert any(action in s["Action"] for s in document["Statement"])
    statements = [
        {**s, "Action": left}
        for s in document["Statement"]
        if (left := [a for a in s["Action"] if a != action])
    ]
    return {**document, "Statement": statements}


def test_apply_and_destroy_work_under_the_policy_and_not_under_less(deployer: Deployer) -> None:
    with pytest.raises((FairwayError, ClientError)):
        deployer.apply()  # a user without any policy
    document = deployer.make_policy()
    deployer.allow(document)
    assert deployer.apply() >= 1
    stacks = deployer.application.status()["stacks"]
    assert set(stacks.values()) == {"CREATE_COMPLETE"}

    file = deployer.application.file
    original = file.read_text()
    for number, action in enumerate(NEEDED):
        first = original.index("    handler:")
        variables = f"    variables: {{TRIAL: '{number}'}}\n"
        file.write_text(f"{original[:first]}{variables}{original[first:]}")
        deployer.allow(without(document, action))
        with pytest.raises((FairwayError, ClientError)) as caught:
            deployer.apply()
        words = f"{caught.value} {getattr(caught.value, 'detail', '')}"
        assert action in words, words
        deployer.allow(document)
        deployer.apply()

    app = load_app(deployer.application.directory)
    apply_plan(plan_removal(app, deployer.aws), deployer.aws)
    assert deployer.application.status()["stacks"] == {}
