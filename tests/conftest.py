"""What all tests share: the switch that rewrites expected output."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# A shell starts what it puts into the background with SIGINT ignored, and processes that tests
# start would inherit that: Ctrl-C would do nothing in them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, nothing kept beside the tests, nothing timed.
settings.register_profile(
    "fairway", database=None, derandomize=True, deadline=None, max_examples=60
)
settings.load_profile("fairway")


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
