"""`expect` and `approve`: what the file may say, overlays, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.define.definition import Definition, define_text

FILE = """
app: shop
environments:
  prod: {approve: true, expect: {requests: 2 per second}}
components: {api: {type: function, handler: app.handler}}
expect: {requests: 3M per month, duration: 120ms, response: 8KB, stored: 5GB, reads: 2}
"""


def define(text: str, environment: str = "local") -> Definition:
    return define_text(text, Path("/application"), environment)


def test_expect_is_read_in_plain_units() -> None:
    expect = define(FILE).require_app().expect
    assert expect is not None
    assert (expect.requests, expect.duration) == (3_000_000, 120)
    assert (expect.response, expect.stored) == (8 * 1024, 5 * 1024**3)
    assert (expect.reads, expect.writes) == (2, None)


def test_an_environment_expects_and_approves_otherwise() -> None:
    app = define(FILE, "prod").require_app()
    assert app.expect is not None
    assert (app.expect.requests, app.expect.duration) == (2 * 730 * 3600, 120)
    assert app.approve
    assert not define(FILE).require_app().approve


@pytest.mark.parametrize(
    ("count", "month"),
    [("1 per month", 1), ("24 per day", 730), ("1.5k per hour", 1_095_000),
     ("2 per minute", 87_600), ("1G per month", 10**9)],
)  # fmt: skip
def test_counts(count: str, month: int) -> None:
    app = define(FILE.replace("3M per month", count)).require_app()
    assert app.expect is not None
    assert app.expect.requests == month


@pytest.mark.parametrize(
    ("old", "new", "code", "hint"),
    [
        ("3M per month", "3000000", "bad-count", "write it like 3000000 per month"),
        ("3M per month", "many", "bad-count", "write it like 3M per month"),
        ("3M per month", "-1 per day", "bad-count", "write it like 3M per month"),
        ("3M per month", "3M per year", "bad-count", "write it like 3M per month"),
        ("120ms", "120", "bad-duration", "write it like 120ms"),
        ("8KB", "8", "bad-size", "write it like 8GB"),
        ("reads: 2", "reads: -2", "bad-value", None),
        ("reads: 2", "red: 2", "unknown-key", "did you mean 'reads'?"),
    ],
)
def test_what_is_refused(old: str, new: str, code: str, hint: str | None) -> None:
    (finding,) = define(FILE.replace(old, new)).diagnostics
    assert finding.code == code
    assert finding.place is not None
    assert finding.place.line == 6
    assert finding.hint
    assert hint is None or finding.hint == hint
