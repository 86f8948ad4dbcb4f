"""One real cloud process for the whole session, and boto3 clients for it."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.waiting import PATIENCE

from fairway.cloud.launch import CloudInfo, start_cloud, stop_cloud
from fairway.events import ignore_events


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "conformance(case): a case of docs/conformance.md")


REGION = "eu-west-1"
BUCKET = "parity-artifacts"


@dataclass
class Cloud:
    """A running cloud and its clients."""

    info: CloudInfo

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.info.endpoint,
            region_name=self.info.region,
            aws_access_key_id=self.info.access_key,
            aws_secret_access_key=self.info.secret_key,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE),
        )

    def make_bucket(self, name: str) -> str:
        """Create a bucket; returns its name."""
        place = {"LocationConstraint": self.info.region}
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=place)
        return name

    def upload(self, source: str, name: str = "handler.py") -> str:
        """Store an archive with one module; returns its key."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(name, source)
        key = f"{uuid.uuid4().hex}.zip"
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=buffer.getvalue())
        return key

    def deploy(self, stack: str, template: dict[str, Any], **options: Any) -> str:
        """Create or update through a change set; returns the stack's final status."""
        client = self.client("cloudformation")
        exists = stack in {
            s["StackName"]
            for s in client.describe_stacks()["Stacks"]
            if s["StackStatus"] != "REVIEW_IN_PROGRESS"
        }
        change_set = f"c{uuid.uuid4().hex}"
        client.create_change_set(
            StackName=stack,
            ChangeSetName=change_set,
            ChangeSetType="UPDATE" if exists else "CREATE",
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            **options,
        )
        client.execute_change_set(StackName=stack, ChangeSetName=change_set)
        return self.wait(stack)

    def wait(self, stack: str) -> str:
        client = self.client("cloudformation")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                status = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
            except ClientError:
                return "DELETE_COMPLETE"
            if not status.endswith("_IN_PROGRESS"):
                return str(status)
            time.sleep(0.02)
        raise TimeoutError(stack)

    def delete(self, stack: str) -> str:
        self.client("cloudformation").delete_stack(StackName=stack)
        return self.wait(stack)

    def outputs(self, stack: str) -> dict[str, str]:
        found = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}

    def resource(self, stack: str, logical_id: str) -> str:
        found = self.client("cloudformation").describe_stack_resource(
            StackName=stack, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def failures(self, stack: str) -> list[str]:
        events = self.client("cloudformation").describe_stack_events(StackName=stack)
        return [
            e.get("ResourceStatusReason", "")
            for e in events["StackEvents"]
            if e["ResourceStatus"].endswith("_FAILED")
        ]


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory: Path = tmp_path_factory.mktemp("cloud") / ".fairway"
    running = Cloud(start_cloud(directory, REGION, ignore_events))
    try:
        running.make_bucket(BUCKET)
        yield running
    finally:
        stop_cloud(directory)


@pytest.fixture
def stack(cloud: Cloud) -> Iterator[str]:
    """A fresh stack name; the stack is deleted afterwards."""
    name = f"p{uuid.uuid4().hex[:10]}"
    yield name
    cloud.delete(name)
