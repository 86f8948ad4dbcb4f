"""A release goes from one account to another: each is reached by its own profile and role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.lifecycle.small import DEFINITION, SOURCE

from fairway.apply import Provenance
from fairway.apply.store import find_store
from fairway.aws import Aws, Endpoint
from fairway.cli.target import check_account, choose_here, choose_profile
from fairway.cloud.launch import CloudInfo, start_cloud, stop_cloud
from fairway.errors import DeploymentFailed, FairwayError, MissingCredentials
from fairway.events import ignore_events
from fairway.operate.promote import define_target, find_release, plan_promotion
from fairway.route import apply_plan, find_app, load_app, plan_app

pytestmark = pytest.mark.slow

POC, PROD = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{PROD}:role/team/deployer"
ENVIRONMENTS = f"""
  poc: {{account: "{POC}", profile: team-poc}}
  prod:
    account: "{PROD}"
    profile: team-prod
    role: {ROLE}
"""


@dataclass(frozen=True)
class World:
    """An application, and two clouds in the place of two accounts."""

    directory: Path
    clouds: dict[str, CloudInfo]

    def connect(self, environment: str, **changes: Any) -> Aws:
        """As the command line does, but for the cloud's address."""
        app = find_app(self.directory, environment)
        given: dict[str, Any] = {"profile": choose_profile({}, app.profile), "role": app.role}
        url = self.clouds[environment].endpoint
        return Aws(Endpoint(app.region, url, **{**given, **changes}))


def open_account(directory: Path, account: str) -> CloudInfo:
    directory.mkdir(parents=True)
    keys = {"access_key": f"AKIA{account}ABCD", "secret_key": f"secret-of-{account}"}
    (directory / "identity.json").write_text(json.dumps({"account": account, **keys}))
    return start_cloud(directory, "eu-west-1", ignore_events)


def make_role(cloud: CloudInfo) -> None:
    iam = boto3.client(
        "iam",
        endpoint_url=cloud.endpoint,
        region_name="eu-west-1",
        aws_access_key_id=cloud.access_key,
        aws_secret_access_key=cloud.secret_key,
    )
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    trust |= {"Principal": {"AWS": f"arn:aws:iam::{PROD}:root"}}  # type: ignore[dict-item]
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [trust]}
    iam.create_role(
        RoleName="deployer", Path="/team/", AssumeRolePolicyDocument=json.dumps(document)
    )
    document = {"Version": "2012-10-17", "Statement": [allow]}
    iam.put_role_policy(RoleName="deployer", PolicyName="all", PolicyDocument=json.dumps(document))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("accounts")
    directory = root / "app"
    (directory / "src").mkdir(parents=True)
    old = DEFINITION[DEFINITION.index("\n  poc:") : DEFINITION.index("\ncomponents:")]
    overlay = "    components: {api: {memory: 512MB}}\n"
    (directory / "fairway.yml").write_text(DEFINITION.replace(old, ENVIRONMENTS + overlay))
    (directory / "src" / "app.py").write_text(SOURCE)
    clouds = {}
    with pytest.MonkeyPatch.context() as variables:
        try:
            clouds["poc"] = open_account(root / "poc", POC)
            clouds["prod"] = open_account(root / "prod", PROD)
            make_role(clouds["prod"])
            variables.setenv("AWS_CONFIG_FILE", str(root / "config"))
            variables.setenv("AWS_SHARED_CREDENTIALS_FILE", str(root / "credentials"))
            variables.setenv("AWS_PROFILE", "somebody-else")
            write_profiles(root, clouds)
            yield World(directory, clouds)
        finally:
            for name in clouds:
                stop_cloud(root / name)


def write_profiles(root: Path, clouds: dict[str, CloudInfo]) -> None:
    """As `aws configure` writes them; the region in them is not the application's."""
    config, credentials = [], []
    for name, cloud in clouds.items():
        config.append(f"[profile team-{name}]\nregion = ap-south-1\n")
        credentials.append(
            f"[team-{name}]\naws_access_key_id = {cloud.access_key}\n"
            f"aws_secret_access_key = {cloud.secret_key}\n"
        )
    (root / "config").write_text("".join(config))
    (root / "credentials").write_text("".join(credentials))


@pytest.fixture(scope="module")
def released(world: World) -> Aws:
    """Release 1 in the account of `poc`."""
    aws = world.connect("poc")
    poc = load_app(world.directory, "poc")
    text = (world.directory / "fairway.yml").read_text()
    apply_plan(plan_app(poc, choose_here, aws), aws, provenance=Provenance("ann", "r1", text))
    return aws


def test_each_environment_is_reached_as_its_own(world: World) -> None:
    poc = world.connect("poc").sts.get_caller_identity()
    prod = world.connect("prod").sts.get_caller_identity()
    assert poc["Account"] == POC
    assert prod["Account"] == PROD
    assert prod["Arn"] == f"arn:aws:sts::{PROD}:assumed-role/deployer/fairway"


def test_credentials_of_the_role_itself_need_no_second_turn(world: World) -> None:
    taken = world.connect("prod")._session.get_credentials().get_frozen_credentials()
    with pytest.MonkeyPatch.context() as variables:
        variables.delenv("AWS_PROFILE")
        variables.setenv("AWS_ACCESS_KEY_ID", taken.access_key)
        variables.setenv("AWS_SECRET_ACCESS_KEY", taken.secret_key)
        variables.setenv("AWS_SESSION_TOKEN", taken.token)
        # What a pipeline has that was handed the role's credentials: no profile, only variables.
        again = Aws(Endpoint("eu-west-1", world.clouds["prod"].endpoint, role=ROLE))
        assert again._session.get_credentials().access_key == taken.access_key
        assert again.sts.get_caller_identity()["Account"] == PROD


def test_a_role_that_cannot_be_taken_on(world: World) -> None:
    with pytest.raises(MissingCredentials) as refused:
        world.connect("prod", role=f"arn:aws:iam::{PROD}:role/nobody")
    assert "role/nobody cannot be taken on" in refused.value.summary
    assert "must be allowed sts:AssumeRole" in str(refused.value.hint)


def test_a_profile_that_is_not_there(world: World) -> None:
    with pytest.raises(MissingCredentials) as refused:
        world.connect("poc", profile="team-stage")
    assert "team-stage" in refused.value.summary
    assert "aws configure sso --profile team-stage" in str(refused.value.hint)


def test_credentials_of_another_account_are_refused(world: World) -> None:
    prod = find_app(world.directory, "prod")
    check_account(prod, world.connect("prod"))
    with pytest.raises(DeploymentFailed, match=f"are of account {POC}, but prod belongs to {PROD}"):
        check_account(prod, world.connect("poc"))


def test_a_profile_of_one_account_does_not_open_the_other(world: World) -> None:
    with pytest.raises(ClientError):
        world.connect("poc", profile="team-prod").s3.list_buckets()


def test_a_release_crosses_over(world: World, released: Aws, tmp_path: Path) -> None:
    aws = world.connect("prod")
    assert find_store(aws) is None  # nothing of ours was ever there
    poc = find_app(world.directory, "poc")
    release, definition = find_release(poc, released, None)
    prod = define_target(poc, definition, find_app(world.directory, "prod"))
    assert (prod.account, prod.profile, prod.role) == (PROD, "team-prod", ROLE)
    plan, provenance = plan_promotion(
        prod, release, released, aws, tmp_path, Provenance("ann", None, ""), definition
    )
    assert find_store(aws) is None  # planning writes nothing
    promoted = apply_plan(plan, aws, provenance=provenance)
    assert promoted.artifacts == release.artifacts
    assert (promoted.kind, promoted.origin) == ("promote", "poc/1")
    source, target = find_store(released), find_store(aws)
    assert source
    assert target
    (key,) = target.list("artifacts/")
    here, there = source.read(key), target.read(key)
    assert here
    assert there
    assert here.body == there.body
    assert source.list("releases/small/prod/") == []


def test_where_it_is_reached_is_what_the_file_says_today(world: World, released: Aws) -> None:
    poc = find_app(world.directory, "poc")
    _, definition = find_release(poc, released, None)
    older = definition.replace("team-prod", "former").replace(PROD, "333333333333")
    prod = define_target(poc, older, find_app(world.directory, "prod"))
    assert (prod.account, prod.profile, prod.role) == (PROD, "team-prod", ROLE)


def test_other_bytes_than_were_released_are_refused(
    world: World, released: Aws, tmp_path: Path
) -> None:
    store = find_store(released)
    assert store
    (key,) = store.list("artifacts/")
    original = store.read(key)
    assert original
    changed = original.body.replace(b'"first"', b'"worse"')
    assert changed != original.body
    aws = world.connect("prod")
    poc = find_app(world.directory, "poc")
    release, definition = find_release(poc, released, None)
    target = find_store(aws)
    if target is not None:  # the other test may have brought it over
        target.purge(target.list("artifacts/"))
    prod = define_target(poc, definition, find_app(world.directory, "prod"))
    try:
        for body in (changed, b"not a zip"):
            released.s3.put_object(Bucket=store.bucket, Key=key, Body=body)
            with pytest.raises(FairwayError, match="is not what was released"):
                plan_promotion(
                    prod, release, released, aws, tmp_path, Provenance("ann", None, ""), definition
                )
        assert list(tmp_path.iterdir()) == []
    finally:
        released.s3.put_object(Bucket=store.bucket, Key=key, Body=original.body)
