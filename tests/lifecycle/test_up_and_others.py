"""`fairway up` beside other commands, and edits that it leaves to them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.lifecycle.applications import Application, ask, running
from tests.lifecycle.small import DEFINITION, SOURCE, read_page
from tests.unit.workspaces import write_root
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow

TAGS = "  tags: {type: table, partition_key: id}\n"


@pytest.fixture
def app(write_app: Callable[[str, str], Application]) -> Iterator[Application]:
    """A small application with a second table, not running."""
    application = write_app(DEFINITION + TAGS, SOURCE)
    yield application
    application.stop()


def test_what_others_destroyed_is_not_made_again(app: Application, tmp_path: Path) -> None:
    with running(["up", "-C", str(app.directory)], tmp_path / "up") as up:
        up.wait_for("watching for edits")
        read_page(app, "POST")
        app.fairway("destroy", "--yes").expect()
        app.replace('PAGE = "first"', 'PAGE = "second"', "src/app.py")
        assert up.process.wait(PATIENCE) == 1, up.text
    assert "was destroyed elsewhere" in up.text
    assert "hint: `fairway up` makes it anew" in up.text
    assert "reloaded" not in up.text
    assert "the local cloud keeps running" in up.text  # what destroys may still need it
    assert "Traceback" not in up.text
    assert app.status()["stacks"] == {}


def test_a_service_that_others_destroyed_is_left(tmp_path: Path) -> None:
    root = Application(write_root(tmp_path / "shop", ["orders", "users"]))
    orders = Application(root.directory / "services" / "orders")
    users = Application(root.directory / "services" / "users")
    try:
        with running(["up", "-C", str(root.directory)], tmp_path / "up") as up:
            up.wait_for("watching for edits")
            orders.fairway("destroy", "--yes").expect()
            for service in (orders, users):
                code = service.directory / "src" / "app.py"
                code.write_text(f"{code.read_text()}\n# edited\n")
            up.wait_for("orders was destroyed elsewhere")
            up.wait_for("reloaded services/")
            assert orders.status()["stacks"] == {}
            users.fairway("destroy", "--yes").expect()
            assert up.process.wait(PATIENCE) == 1, up.text
        assert "shop-users was destroyed elsewhere" in up.text
    finally:
        root.stop()


def test_loss_waits_and_code_goes_on(app: Application, tmp_path: Path) -> None:
    with running(["up", "-C", str(app.directory)], tmp_path / "up") as up:
        up.wait_for("watching for edits")
        read_page(app, "POST")
        app.replace(TAGS, "")
        up.wait_for("fairway.yml now removes `tags` (line 14 before)")
        app.replace('PAGE = "first"', 'PAGE = "second"', "src/app.py")
        wait_until(lambda: read_page(app) == "second 1", "the code of the second save")
        app.replace('PAGE = "second"', 'PAGE = "third"', "src/app.py")
        wait_until(lambda: read_page(app) == "third 1", "the code of the third save")
        assert up.text.count("now removes") == 1
        assert "Tags" not in up.text.split("watching for edits")[1]
        app.add(TAGS)
        up.wait_for("mended; what is saved is what runs")
        app.replace("partition_key: id}", "partition_key: name}")
        up.wait_for("fairway.yml now replaces `tags` (line 14)")
        assert up.end(signal.SIGINT) == 0, up.text


def test_what_others_applied_goes_on(app: Application, tmp_path: Path) -> None:
    with running(["up", "-C", str(app.directory)], tmp_path / "up") as up:
        up.wait_for("watching for edits")
        app.replace(TAGS, "")
        up.wait_for("fairway.yml now removes `tags`")
        app.fairway("apply", "--yes", "--delete", "tags").expect()
        app.replace('PAGE = "first"', 'PAGE = "second"', "src/app.py")
        wait_until(lambda: read_page(app) == "second 0", "the code of the next save")
        up.wait_for("mended")
        assert ask("GET", f"{app.url()}/").status == 200
        assert up.end(signal.SIGINT) == 0, up.text
