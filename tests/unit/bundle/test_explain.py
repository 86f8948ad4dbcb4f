"""What uv 0.13 says, and what the user is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.bundle import Platform
from fairway.bundle.explain import explain_failure, hide_credentials
from fairway.bundle.requirements import Line, Requirements

FILE = Path("src/requirements.txt")
WANTED = Requirements(
    "list", FILE, (Line("idna==3.10", FILE, 1), Line("docopt", FILE, 2)), "idna\ndocopt"
)
NO_SOLUTION = "error: No solution found when resolving dependencies\n  cause: Because "
END = ", we can conclude that your requirements are unsatisfiable.\n"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            NO_SOLUTION
            + "all versions of docopt have no usable wheels and you require docopt"
            + END,
            "src/requirements.txt:2: docopt has no wheel for Python 3.12 on Linux arm64",
        ),
        (
            "error: Building source distributions is disabled, but attempted to build `loc`\n",
            "src/requirements.txt: loc has no wheel for Python 3.12 on Linux arm64",
        ),
        (
            NO_SOLUTION + "nosuch was not found in the package registry and you require it" + END,
            "src/requirements.txt: there is no package nosuch",
        ),
        (
            NO_SOLUTION + "you require idna==2.0 and idna==3.0" + END,
            "the requirements of src/requirements.txt cannot be met for Python 3.12 on Linux "
            "arm64: you require idna==2.0 and idna==3.0",
        ),
        (
            "error: Failed to download `idna==3.10`\n  cause: Hash mismatch for `idna==3.10`\n",
            "src/requirements.txt:1: idna==3.10 is not the file that its hash names",
        ),
        (
            "error: Failed to fetch: http://127.0.0.1:9/x/\n  cause: client error (Connect)\n"
            "  cause: tcp connect error\n  cause: Connection refused (os error 111)\n",
            "the packages of src/requirements.txt could not be downloaded: "
            "connection refused (os error 111)",
        ),
        (
            "",
            "the requirements of src/requirements.txt cannot be met for Python 3.12 on Linux "
            "arm64: uv gave no reason",
        ),
    ],
)
def test_explanations(said: str, told: str) -> None:
    error = explain_failure(said, WANTED, Platform("python", "3.12", "arm64"))
    assert error.summary == told
    assert error.hint


def test_passwords_of_indexes_are_not_shown() -> None:
    assert hide_credentials("get https://me:pw@example.com/x") == "get https://example.com/x"
