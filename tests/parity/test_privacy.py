"""Nothing secret in process lists, logs or files of others; nothing listens beyond this machine."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.templates import ROLE, function, template
from tests.parity.test_process import list_tree

pytestmark = pytest.mark.slow

TELL = """
import os
def handler(event, context):
    print(sorted(os.environ))
    return {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
"""


@pytest.fixture
def workers(cloud: Cloud, stack: str) -> list[int]:
    """Every process of a cloud that has run a function, and has refused a call of it."""
    cloud.deploy(stack, template({"Role": ROLE, "F": function(BUCKET, cloud.upload(TELL))}))
    name = cloud.resource(stack, "F")
    cloud.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    with pytest.raises(ClientError):
        cloud.client("iam").get_role(RoleName="absent")
    return list_tree(cloud.info.pid)


def test_the_state_is_its_owners_alone(cloud: Cloud) -> None:
    directory = Path(cloud.info.directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for name in ("identity.json", "cloud.json", "cloud.log", "ports.json"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600, name


def test_no_secret_in_the_process_list(cloud: Cloud, workers: list[int]) -> None:
    listed = subprocess.run(["ps", "-ww", "-eo", "args="], capture_output=True, check=True)
    assert cloud.info.secret_key.encode() not in listed.stdout
    assert b"fairway.cloud.process" in listed.stdout


def test_workers_do_not_hold_the_administrators_key(cloud: Cloud, workers: list[int]) -> None:
    secret = cloud.info.secret_key.encode()
    environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in workers]
    assert len(environments) > 2
    assert not any(secret in text for text in environments)


def test_no_secret_in_the_logs(cloud: Cloud, stack: str, workers: list[int]) -> None:
    text = (Path(cloud.info.directory) / "cloud.log").read_text()
    events = cloud.client("logs").filter_log_events(
        logGroupName=f"/aws/lambda/{cloud.resource(stack, 'F')}"
    )["events"]
    assert any("AWS_SECRET_ACCESS_KEY" in e["message"] for e in events)
    for line in [text, *(e["message"] for e in events)]:
        assert cloud.info.secret_key not in line


def test_only_loopback_is_listened_on(cloud: Cloud, workers: list[int]) -> None:
    inodes = {
        os.readlink(link)[len("socket:[") : -1]
        for pid in workers
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink() and os.readlink(link).startswith("socket:")
    }
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:  # 0A: listening
                found.append(fields[1].split(":")[0])
    assert found
    assert set(found) == {"0100007F"}  # 127.0.0.1 in the kernel's byte order
