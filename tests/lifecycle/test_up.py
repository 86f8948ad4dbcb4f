"""`fairway up`: edits are served as they are saved, and mistakes are not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.lifecycle.applications import (
    Application,
    Running,
    ask,
    running,
    tell_seconds,
    wait_until,
)

pytestmark = pytest.mark.slow

HANDLER = "src/timestamps.py"
KEPT = "still running the version before this edit"


@pytest.fixture(scope="module")
def up(
    make_app: Callable[[str], Application], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Application, Running]]:
    """An application under `fairway up`, with one row."""
    app = make_app("timestamps")
    output: Path = tmp_path_factory.mktemp("up") / "output"
    with running(["up", "-C", str(app.directory)], output) as process:
        process.wait_for("watching for edits")
        ask("POST", f"{app.url()}/app")
        yield app, process
        assert process.end(signal.SIGINT) == 0, process.text
        assert "Traceback" not in process.text


@pytest.fixture(autouse=True)
def _no_row_is_lost(up: tuple[Application, Running]) -> Iterator[None]:
    app, _ = up
    before = ask("GET", f"{app.url()}/app").json()
    yield
    assert ask("GET", f"{app.url()}/app").json() == before


def measure_until(holds: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    wait_until(holds, what)
    tell_seconds(what, time.monotonic() - began)


def test_saved_code_answers_the_next_request(up: tuple[Application, Running]) -> None:
    app, process = up
    url, text = app.url(), "Timestamps"
    for new in ("Second", "Third", "Fourth"):
        app.replace(f"<h1>{text}</h1>", f"<h1>{new}</h1>", HANDLER)
        measure_until(lambda new=new: new in ask("GET", f"{url}/").text, "from save to served")
        text = new
    process.wait_for("reloaded timestamps.py", times=3)
    app.replace("<h1>Fourth</h1>", "<h1>Timestamps</h1>", HANDLER)
    process.wait_for("reloaded timestamps.py", times=4)


def test_its_releases_are_told_as_its_own(up: tuple[Application, Running]) -> None:
    app, _ = up
    releases = app.fairway("history", "--json").expect().json()["releases"]
    assert {release["kind"] for release in releases} == {"up"}


def test_last_of_many_saves_wins(up: tuple[Application, Running]) -> None:
    app, _ = up
    url, text = app.url(), "Timestamps"
    for number in range(20):
        app.replace(f"<h1>{text}</h1>", f"<h1>Save {number}</h1>", HANDLER)
        text = f"Save {number}"
    wait_until(lambda: "Save 19" in ask("GET", f"{url}/").text, "the last save")
    app.replace("<h1>Save 19</h1>", "<h1>Timestamps</h1>", HANDLER)
    wait_until(lambda: "Timestamps" in ask("GET", f"{url}/").text, "the first text again")


def test_syntax_error_is_shown_and_not_served(up: tuple[Application, Running]) -> None:
    app, process = up
    kept = process.text.count(KEPT)
    app.replace("def handler(event, context):", "def handler(event, context:", HANDLER)
    process.wait_for(KEPT, times=kept + 1)
    assert "timestamps.py:19:" in process.text
    assert ask("GET", f"{app.url()}/health").status == 200
    app.replace("def handler(event, context:", "def handler(event, context):", HANDLER)


def test_wrong_file_is_shown_and_not_served(up: tuple[Application, Running]) -> None:
    app, process = up
    kept = process.text.count(KEPT)
    app.replace("uses: {entries: read-write}", "uses: {entry: read-write}")
    process.wait_for(KEPT, times=kept + 1)
    assert "'entries'" in process.text
    assert ask("GET", f"{app.url()}/health").status == 200
    app.replace("uses: {entry: read-write}", "uses: {entries: read-write}")


def test_new_route_is_served(up: tuple[Application, Running]) -> None:
    app, process = up
    url = app.url()
    assert ask("GET", f"{url}/new").status == 404
    app.replace('if route == ("GET", "/"):', 'if route[1] in ("/", "/new"):', HANDLER)
    app.replace("      GET /app: api", "      GET /app: api\n      GET /new: api")
    measure_until(lambda: ask("GET", f"{url}/new").status == 200, "from new route to served")
    process.wait_for("reloaded fairway.yml")


def test_loss_of_data_is_not_done_in_passing(up: tuple[Application, Running]) -> None:
    app, process = up
    app.replace("    sort_key: timeStamp", "    sort_key: other")
    process.wait_for("fairway.yml now replaces `entries` (line ")
    app.replace("    sort_key: other", "    sort_key: timeStamp")
    app.replace("memory: 128MB", "memory: 192MB")
    process.wait_for("reloaded fairway.yml", times=2)


def test_log_lines_appear(up: tuple[Application, Running]) -> None:
    app, process = up
    app.replace("    route = event", '    print("said by the handler")\n    route = event', HANDLER)

    url = app.url()
    process.wait_for("said by the handler", meanwhile=lambda: ask("GET", f"{url}/health"))
    process.wait_for("api ran ")


def test_second_up_is_refused_while_one_watches(up: tuple[Application, Running]) -> None:
    app, process = up
    outcome = app.fairway("up").expect(1)
    assert "another `fairway up`" in outcome.err
    assert ask("GET", f"{app.url()}/health").status == 200
    assert process.process.poll() is None


def test_death_of_the_cloud_is_survived(up: tuple[Application, Running]) -> None:
    app, process = up
    rows = ask("GET", f"{app.url()}/app").json()
    url, before = app.url(), app.status()["cloud"]["pid"]
    began = time.monotonic()
    os.kill(before, signal.SIGKILL)

    def is_back() -> bool:
        try:
            return ask("GET", f"{url}/app").json() == rows
        except OSError:
            return False

    wait_until(is_back, "the rows after kill -9")
    tell_seconds("from kill -9 to served", time.monotonic() - began)
    assert app.status()["cloud"]["pid"] != before
    assert "died and was started again" in app.fairway("status").out
    app.replace("    route = event", '    print("said after it")\n    route = event', HANDLER)

    process.wait_for("said after it", meanwhile=lambda: ask("GET", f"{url}/health"))
    assert process.process.poll() is None
