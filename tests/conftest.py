"""What all tests share: ports of their own, and the switch that rewrites expected output."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# A shell starts what it puts into the background with SIGINT ignored, and processes that tests
# start would inherit that: Ctrl-C would do nothing in them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Ports that applications of this machine's users do not get, and many, since test applications
# keep theirs until pytest removes their directories. Whatever tests run at the same time shares
# the reservations, so that no cloud that is stopped for a moment loses its port.
os.environ["FAIRWAY_PORTS"] = "20000-29999"
os.environ["XDG_STATE_HOME"] = str(Path(tempfile.gettempdir()) / f"fairway-tests-{os.getuid()}")

# The longest first: what is left for the end must not keep one worker alone.
FIRST = ("tests/lifecycle/", "tests/parity/")

# The same examples in every run, nothing kept beside the tests, nothing timed.
settings.register_profile(
    "fairway", database=None, derandomize=True, deadline=None, max_examples=60
)
settings.load_profile("fairway")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move whole folders to the front; within one, nothing changes its place."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what was observed into tests/golden and tests/cli/bad_input; read the diff",
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expected output is to be rewritten instead of compared."""
    return bool(request.config.getoption("--update-golden"))
