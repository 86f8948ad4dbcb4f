"""Errors in a function's log that something in the application's files would mend."""

from __future__ import annotations

import pytest

from fairway.cloud.control.log_faults import LogFaults, Origin
from fairway.cloud.control.logs import Line
from fairway.cloud.notices import MissingLink, MissingPackage, Notices

GROUP = "/fairway/shop/local/api"
IMPORT = (
    "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': "
    "No module named 'requests'\nTraceback (most recent call last):"
)


class World:
    """A store that keeps lines behind the faults, and one function."""

    def __init__(self) -> None:
        self.notices = Notices(clock=lambda: 1.0)
        self.kept: list[str] = []
        self.origin: Origin | None = Origin("api", "app.handler", "1")
        self.faults = LogFaults(
            self,
            self.notices,
            lambda group: self.origin if group == GROUP else None,
            lambda: {"tags", "short-links", "worker"},
        )

    def append(self, group: str, stream: str, lines: list[Line]) -> None:
        self.kept += [text for _, text in lines]

    def expire(self, now_ms: int) -> None:
        self.kept.clear()

    def write(self, *texts: str, group: str = GROUP) -> None:
        self.faults.append(group, "s", [(1, text) for text in texts])


def test_a_missing_package_is_told_once_with_where_to_add_it() -> None:
    world = World()
    world.write(IMPORT)
    world.write("other", IMPORT)
    (notice,) = world.notices.list()
    assert notice.package == MissingPackage("api", "requests")
    assert notice.is_fault
    assert "add requests to the requirements.txt of api" in notice.text
    assert world.kept == [IMPORT, "other", IMPORT]


def test_of_a_package_within_a_package_the_outer_one_is_named() -> None:
    world = World()
    world.write("[ERROR] ModuleNotFoundError: No module named 'google.cloud'")
    assert world.notices.list()[0].package == MissingPackage("api", "google")


@pytest.mark.parametrize(
    ("variable", "link"),
    [
        ("TAGS_TABLE", MissingLink("api", "tags", "read")),
        ("SHORT_LINKS_TABLE", MissingLink("api", "short-links", "read")),
        ("WORKER_FUNCTION", MissingLink("api", "worker", "invoke")),
    ],
)
def test_a_variable_that_a_link_would_define(variable: str, link: MissingLink) -> None:
    world = World()
    world.write(f"[ERROR] KeyError: '{variable}'\nTraceback (most recent call last):")
    (notice,) = world.notices.list()
    assert notice.link == link
    assert f"add `{link.target}: {link.access}` to the `uses` of api" in notice.text


@pytest.mark.parametrize(
    "text",
    [
        "[ERROR] KeyError: 'USERS_TABLE'",
        "[ERROR] KeyError: 'name'",
        "KeyError: 'TAGS_TABLE'",
        "No module named 'requests'",
        "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'app'",
    ],
)
def test_other_errors_are_left_to_the_log(text: str) -> None:
    world = World()
    world.write(text)
    assert world.notices.list() == []
    assert world.kept == [text]


def test_other_logs_are_not_looked_at() -> None:
    world = World()
    world.write(IMPORT, group="/mine")
    assert world.notices.list() == []


def test_a_notice_goes_once_the_function_was_changed_or_is_gone() -> None:
    world = World()
    world.write(IMPORT)
    world.origin = Origin("api", "app.handler", "2")
    assert world.notices.list() == []
    world.write(IMPORT)
    assert len(world.notices.list()) == 1
    world.origin = None
    assert world.notices.list() == []
