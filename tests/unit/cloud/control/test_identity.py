"""Sessions of roles, and what is told about a denial."""

from __future__ import annotations

from typing import Any

import pytest

from fairway.cloud.control.denials import Denial, Worded, suggest_access, word_denial
from fairway.cloud.control.sessions import SESSION_SECONDS, Sessions
from fairway.cloud.notices import MissingLink

ROLE = "arn:aws:iam::000000000000:role/path/reader"
CALLER = "arn:aws:sts::000000000000:assumed-role/reader/app-reader"
TABLE = "arn:aws:dynamodb:eu-west-1:000000000000:table/notes"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make_sessions() -> tuple[Sessions, dict[str, dict[str, Any]], Clock]:
    store: dict[str, dict[str, Any]] = {}
    clock = Clock()
    return Sessions(store, lambda arn: "AROA1", clock), store, clock


def test_a_session_is_its_roles() -> None:
    sessions, store, _ = make_sessions()
    issued = sessions.issue(ROLE, "app-reader")
    (session,) = store.values()
    assert list(store) == [issued["AWS_ACCESS_KEY_ID"]]
    assert session["Arn"] == CALLER
    assert session["UserId"] == "AROA1:app-reader"
    assert session["Expiration"] == 1000.0 + SESSION_SECONDS
    assert issued["AWS_SECRET_ACCESS_KEY"] == session["SecretAccessKey"]
    assert issued["AWS_SESSION_TOKEN"] == session["SessionToken"]
    assert issued["AWS_ACCESS_KEY_ID"].startswith("ASIA")


def test_workers_of_a_function_share_its_session_and_renew_it() -> None:
    sessions, store, clock = make_sessions()
    first = sessions.issue(ROLE, "f")
    clock.now += 3600
    assert sessions.issue(ROLE, "f") == first
    assert [s["Expiration"] for s in store.values()] == [clock.now + SESSION_SECONDS]
    assert sessions.issue(ROLE, "g") != first


def test_kept_sessions_are_renewed_and_others_end() -> None:
    sessions, store, clock = make_sessions()
    kept, dropped = sessions.issue(ROLE, "f"), sessions.issue(ROLE, "g")
    clock.now += SESSION_SECONDS - 1
    sessions.keep({(ROLE, "f")})
    assert list(store) == [kept["AWS_ACCESS_KEY_ID"]]
    assert store[kept["AWS_ACCESS_KEY_ID"]]["Expiration"] == clock.now + SESSION_SECONDS
    assert sessions.issue(ROLE, "g") != dropped


def test_a_session_that_was_removed_is_made_anew() -> None:
    sessions, store, _ = make_sessions()
    first = sessions.issue(ROLE, "f")
    store.clear()
    assert sessions.issue(ROLE, "f") != first


def name_components(kind: str, name: str) -> str | None:
    return {"app-reader": "reader", TABLE: "notes"}.get(name)


def test_a_denial_says_what_to_write() -> None:
    denial = Denial(CALLER, "dynamodb:PutItem", TABLE)
    assert word_denial(denial, name_components) == Worded(
        f"reader was denied dynamodb:PutItem on {TABLE}: component reader lacks access to "
        "component notes; add `notes: read-write` to the `uses` of reader in fairway.yml.",
        MissingLink("reader", "notes", "read-write"),
    )


def test_a_denial_on_nothing_of_the_application() -> None:
    denial = Denial(CALLER, "iam:CreateUser", "*")
    assert word_denial(denial, name_components) == Worded(
        "reader was denied iam:CreateUser on *: its role does not allow it. That is no component "
        "of the application, so nothing under `uses` would allow it.",
        is_known=False,
    )


def test_a_call_that_the_cloud_made_for_a_function_says_what_for() -> None:
    denial = Denial(CALLER, "sqs:ReceiveMessage", "arn:aws:sqs:x", "to read its event source")
    assert word_denial(denial, name_components) == Worded(
        "reader was denied sqs:ReceiveMessage on arn:aws:sqs:x, needed to read its event source: "
        "its role does not allow it. That is no component of the application, so nothing under "
        "`uses` would allow it.",
        is_known=False,
    )


def test_a_name_that_is_only_like_a_components() -> None:
    table = "arn:aws:dynamodb:eu-west-1:000000000000:table/notes"

    def find(kind: str, name: str) -> str | None:
        return {("function", "app-reader"): "reader", ("named", table): "notes"}.get((kind, name))

    worded = word_denial(Denial(CALLER, "dynamodb:GetItem", table), find)
    assert worded is not None
    assert worded.link == MissingLink("reader", "notes", "read")
    assert not worded.is_known
    assert "component notes is deployed under another name" in worded.text
    assert "add `notes: read` to the `uses` of reader in fairway.yml" in worded.text


def test_denials_of_others_are_not_told() -> None:
    user = "arn:aws:iam::000000000000:user/ada"
    assert word_denial(Denial(user, "sqs:SendMessage", "*"), name_components) is None


@pytest.mark.parametrize(
    ("action", "access"),
    [
        ("dynamodb:Query", "read"),
        ("dynamodb:BatchGetItem", "read"),
        ("dynamodb:UpdateItem", "read-write"),
        ("lambda:InvokeFunction", "invoke"),
        ("sqs:SendMessage", "send"),
        ("kms:Decrypt", None),
    ],
)
def test_suggested_access(action: str, access: str | None) -> None:
    assert suggest_access(action) == access
