"""Killed, full, damaged, newer, read-only: nothing acknowledged is lost, and it is said plainly."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.parity.conftest import REGION, Cloud
from tests.parity.templates import table, template
from tests.parity.test_process import list_tree, start
from tests.waiting import PATIENCE, wait_until

from fairway.cloud.control.journal_format import FORMAT
from fairway.cloud.info import read_start
from fairway.cloud.launch import find_cloud, read_status, start_cloud, stop_cloud
from fairway.cloud.supervisor import TAKEN
from fairway.errors import CloudUnavailable
from fairway.events import ignore_events

pytestmark = pytest.mark.slow

BENCH = Path(__file__).parents[2] / "bench"
DEFINITION = {"Table": table()}


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".fairway"
    stop_cloud(tmp_path / ".fairway")


def open_cloud(directory: Path) -> Cloud:
    return Cloud(start_cloud(directory, REGION, ignore_events))


def kill(cloud: Cloud) -> None:
    """SIGKILL to the whole tree."""
    pids = list_tree(cloud.info.pid)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it may end with the one before it
            os.kill(pid, 9)
    os.waitpid(cloud.info.pid, 0)
    wait_until(lambda: not any(read_start(pid) for pid in pids), "the end")


def put(cloud: Cloud, name: str, value: str) -> None:
    cloud.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)


def read(cloud: Cloud, name: str) -> str:
    return str(cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def list_notices(cloud: Cloud) -> list[str]:
    return [notice["text"] for notice in read_status(cloud.info)["notices"]]


def test_acknowledged_writes_survive_kills(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH / "kill_trials.py"), "--trials", "6", "--seed", "7"],
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE,
        check=False,
    )
    assert done.stdout, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["trials"], figures["wrong"], figures["duplicates"]) == (6, [], 0)
    assert figures["acknowledged"] > 0
    assert done.returncode == 0


def test_a_stack_that_was_being_made_is_rolled_back(directory: Path) -> None:
    cloud = open_cloud(directory)
    # Nobody ever signals, so the operation is surely under way when the kill comes.
    waiting = template(
        {
            **DEFINITION,
            "Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
            "Never": {
                "Type": "AWS::CloudFormation::WaitCondition",
                "DependsOn": "Table",
                "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "300"},
            },
        }
    )
    client = cloud.client("cloudformation")
    client.create_stack(StackName="half", TemplateBody=json.dumps(waiting))
    tables = cloud.client("dynamodb")
    wait_until(lambda: tables.list_tables()["TableNames"] != [], "the table")

    def is_recorded() -> bool:
        events = client.describe_stack_events(StackName="half")["StackEvents"]
        return any(e["ResourceType"].endswith("WaitCondition") for e in events)

    wait_until(is_recorded, "the wait condition")
    kill(cloud)
    cloud = open_cloud(directory)
    assert cloud.wait("half") == "ROLLBACK_COMPLETE"
    assert cloud.client("dynamodb").list_tables()["TableNames"] == []
    assert any("stack half was CREATE_IN_PROGRESS" in text for text in list_notices(cloud))
    assert cloud.delete("half") == "DELETE_COMPLETE"
    assert cloud.deploy("half", template(DEFINITION)) == "CREATE_COMPLETE"


def test_a_full_disk_is_told_and_ends(directory: Path) -> None:
    cloud = open_cloud(directory)
    put(cloud, "/kept", "before")
    objects = cloud.client("s3")
    cloud.make_bucket("full")
    objects.put_object(Bucket="full", Key="kept", Body=b"before")
    journal = max((directory / "state/journal").glob("*.log"))
    pid = list_tree(cloud.info.pid)[1]  # the supervisor's child
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (journal.stat().st_size + 10, limits[1]))
    with pytest.raises(ClientError) as refused:
        put(cloud, "/refused", "x" * 2000)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert "could not save" in refused.value.response["Error"]["Message"]
    with pytest.raises(ClientError, match="could not save"):
        objects.put_object(Bucket="full", Key="kept", Body=b"after" * 100_000)
    assert read(cloud, "/kept") == "before"
    assert any("could not be saved" in text for text in list_notices(cloud))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
    put(cloud, "/after", "room again")
    kill(cloud)
    cloud = open_cloud(directory)
    assert (read(cloud, "/kept"), read(cloud, "/after")) == ("before", "room again")
    kept = cloud.client("s3").get_object(Bucket="full", Key="kept")
    assert kept["Body"].read() == b"before"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_directory_of_somebody_else_is_refused_with_a_way_out(tmp_path: Path) -> None:
    for parent in (*tmp_path.parents[:2], tmp_path):
        parent.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(CloudUnavailable, match="cannot be written: Permission denied"):
            start_cloud(tmp_path / ".fairway", REGION, ignore_events)
    finally:
        os.seteuid(0)


def test_a_damaged_journal_is_told_and_the_rest_restored(directory: Path) -> None:
    cloud = open_cloud(directory)
    for name in ("first", "second", "third"):
        put(cloud, f"/{name}", f"value of {name}")
    journal = max((directory / "state/journal").glob("*.log"))
    kill(cloud)
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(b"value of second", b"value of sec\0nd") + b"J 0123")
    cloud = open_cloud(directory)
    assert read(cloud, "/first") == "value of first"
    assert read(cloud, "/third") == "value of third"
    (told,) = [text for text in list_notices(cloud) if "could not be read" in text]
    kept = next((directory / "state/damaged").glob("*/*.log"))
    assert str(kept) in told


def test_a_newer_state_is_refused_with_a_way_out(directory: Path) -> None:
    cloud = open_cloud(directory)
    put(cloud, "/kept", "value")
    kill(cloud)
    mark = directory / "state/format"
    mark.write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(CloudUnavailable) as refused:
        open_cloud(directory)
    assert "newer Fairway" in refused.value.detail
    assert "move the directory away" in refused.value.detail
    mark.write_text(json.dumps({"format": FORMAT}))
    assert read(open_cloud(directory), "/kept") == "value"


def test_a_second_cloud_does_not_touch_the_state_of_the_first(directory: Path) -> None:
    cloud = open_cloud(directory)
    put(cloud, "/kept", "value")
    files = sorted((directory / "state/journal").iterdir())
    command = [sys.executable, "-m", "fairway.cloud.process", "--directory", str(directory)]
    command += ["--region", REGION]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == TAKEN
    assert "another cloud is running" in done.stderr
    assert sorted((directory / "state/journal").iterdir()) == files
    assert start(directory) == find_cloud(directory)
    assert read(cloud, "/kept") == "value"


_SNAPSHOT = """
from ministack.core import persistence
from ministack.services import dynamodb, sqs
dynamodb._create_table({"TableName": "old", "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]})
dynamodb._put_item({"TableName": "old", "Item": {"id": {"S": "row"}}})
url = sqs._act_create_queue({"QueueName": "old"}, "")["QueueUrl"]
sqs._act_send_message({"QueueUrl": url, "MessageBody": "message"}, url)
for name, module in (("dynamodb", dynamodb), ("sqs", sqs)):
    persistence.save_state(name, module.get_state())
"""


def test_the_state_of_an_earlier_version_is_taken_over(directory: Path) -> None:
    folder = directory / "state/services"
    folder.mkdir(parents=True)
    settings = {
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder),
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": "000000000000",
    }
    subprocess.run([sys.executable, "-c", _SNAPSHOT], env={**os.environ, **settings}, check=True)
    assert {file.name for file in folder.iterdir()} == {"dynamodb.json", "sqs.json"}
    cloud = open_cloud(directory)
    wait_until(lambda: not list(folder.glob("*.json")), "the old files are gone")
    for _ in range(2):
        kill(cloud)
        cloud = open_cloud(directory)
    assert cloud.client("dynamodb").scan(TableName="old")["Count"] == 1
    queue = cloud.client("sqs").get_queue_url(QueueName="old")["QueueUrl"]
    (message,) = cloud.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert message["Body"] == "message"
