"""The process: restart, crash, ports that were taken, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.parity.conftest import BUCKET, REGION, Cloud
from tests.parity.templates import HANDLER, balanced
from tests.parity.test_serving import ask
from tests.waiting import PATIENCE, wait_until

from fairway.cloud.info import read_info, write_info
from fairway.cloud.launch import CloudInfo, find_cloud, read_status, start_cloud, stop_cloud
from fairway.errors import CloudUnavailable
from fairway.events import ignore_events

pytestmark = pytest.mark.slow


def start(directory: Path) -> CloudInfo:
    return start_cloud(directory, REGION, ignore_events)


def list_tree(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


def is_alive(pid: int) -> bool:
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(listed.stdout.strip()) and not listed.stdout.startswith("Z")


def deploy_application(info: CloudInfo) -> tuple[Cloud, str]:
    cloud = Cloud(info)
    cloud.make_bucket(BUCKET)
    assert cloud.deploy("app", balanced(BUCKET, cloud.upload(HANDLER))) == "CREATE_COMPLETE"
    return cloud, cloud.outputs("app")["Url"]


def test_rows_and_addresses_survive_a_restart(tmp_path: Path) -> None:
    directory = tmp_path / ".fairway"
    try:
        info = start(directory)
        assert stat.S_IMODE((directory / "cloud.json").stat().st_mode) == 0o600
        _, url = deploy_application(info)
        _, stamp = ask("POST", f"{url}/app")
        tree = list_tree(info.pid)
        assert len(tree) > 2
        assert stop_cloud(directory)
        wait_until(lambda: not any(map(is_alive, tree)), "the tree is gone")
        assert not (directory / "cloud.json").exists()

        again = start(directory)
        assert (again.access_key, again.secret_key) == (info.access_key, info.secret_key)
        assert ask("GET", f"{url}/app") == (200, json.dumps([stamp]))
        assert Cloud(again).outputs("app")["Url"] == url
        assert Cloud(again).delete("app") == "DELETE_COMPLETE"
    finally:
        stop_cloud(directory)


def test_taken_port_is_replaced_everywhere(tmp_path: Path) -> None:
    directory = tmp_path / ".fairway"
    try:
        _, url = deploy_application(start(directory))
        stop_cloud(directory)
        port = int(url.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)):
            info = start(directory)
        cloud = Cloud(info)
        moved = cloud.outputs("app")["Url"]
        assert moved != url
        assert ask("GET", f"{moved}/app")[0] == 200
        described = cloud.client("elbv2").describe_load_balancers()["LoadBalancers"]
        assert [f"http://{b['DNSName']}" for b in described] == [moved]
        notices = [n["text"] for n in read_status(info)["notices"]]
        assert any(f"Port {port} is in use" in text and moved[-4:] in text for text in notices)
    finally:
        stop_cloud(directory)


def test_a_killed_cloud_comes_back(tmp_path: Path) -> None:
    directory = tmp_path / ".fairway"
    try:
        info = start(directory)
        deploy_application(info)
        first = read_status(info)["pid"]
        lost = list_tree(first)
        assert len(lost) > 1
        os.kill(first, signal.SIGKILL)

        def is_back() -> bool:
            try:
                return bool(read_status(info)["pid"] != first)
            except CloudUnavailable:
                return False

        wait_until(is_back, "a new cloud on the same endpoint")
        wait_until(lambda: not any(map(is_alive, lost)), "its workers are gone")
        assert "died and was started again" in read_status(info)["notices"][0]["text"]
    finally:
        stop_cloud(directory)


def test_cloud_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    directory = tmp_path / ".fairway"
    info = start(directory)
    tree = list_tree(info.pid)
    os.kill(info.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, tree)), "the tree is gone")
    assert find_cloud(directory) is None


def test_second_start_finds_the_first(tmp_path: Path) -> None:
    directory = tmp_path / ".fairway"
    try:
        assert start(directory) == start(directory)
        second = subprocess.run(
            [
                sys.executable,
                "-m",
                "fairway.cloud.process",
                "--directory",
                str(directory),
                "--region",
                REGION,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert second.returncode == 4
        assert "another cloud is running" in second.stderr
    finally:
        stop_cloud(directory)


def test_stale_file_is_recognised(tmp_path: Path) -> None:
    stale = CloudInfo(
        directory=str(tmp_path),
        endpoint="http://127.0.0.1:9",
        region=REGION,
        account="000000000000",
        access_key="k",
        secret_key="s",
        pid=os.getpid(),
        started="another time",
        started_at=time.time(),
        version="0",
        token="t",
    )
    write_info(stale)
    assert read_info(tmp_path) == stale
    assert find_cloud(tmp_path) is None
    assert read_info(tmp_path) is None
    assert stop_cloud(tmp_path) is False


def test_failed_start_tells_the_log(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(CloudUnavailable) as caught:
        start(tmp_path)
    assert "the cloud could not start: " in (caught.value.detail or "")
