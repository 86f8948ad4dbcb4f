"""History, rollback and promotion: the same route, the same bytes, data untouched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.lifecycle.applications import Application
from tests.lifecycle.small import DEFINITION, REFUSED, SOURCE, read_page

from fairway.apply import Consent, Provenance
from fairway.apply.release import read_release
from fairway.apply.store import find_store
from fairway.cli.target import choose_here
from fairway.cloud.launch import find_cloud
from fairway.errors import FairwayError
from fairway.operate.promote import define_target, find_release, plan_promotion
from fairway.plan import Action
from fairway.route import apply_plan, find_app, load_app, plan_app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(write_app: Callable[..., Application]) -> Application:
    """Release 1 as made; release 2 with another page and more memory; 3 failed."""
    application = write_app(DEFINITION, SOURCE)
    application.apply()
    read_page(application, "POST")
    application.replace("memory: 128MB", "memory: 256MB")
    application.replace('PAGE = "first"', 'PAGE = "second"', "src/app.py")
    application.apply()
    application.add(REFUSED)
    application.fairway("apply", "--yes").expect(1)
    application.replace(REFUSED, "")
    return application


def test_history_tells_all(app: Application) -> None:
    shown = app.fairway("history", "--json").expect().json()
    assert [r["number"] for r in shown["releases"]] == [3, 2, 1]
    assert [r["outcome"] for r in shown["releases"]] == ["failed", "succeeded", "succeeded"]
    assert shown["current"] == 2
    assert shown["lock"] is None
    failed, second, first = shown["releases"]
    assert "bucket does not exist" in failed["cause"]
    assert {c["action"] for c in second["plan"]} == {"update"}
    assert second["artifacts"] != first["artifacts"]
    assert first["stacks"]["small-local-app"]["outputs"]
    text = app.fairway("history").expect().out
    assert "*    2" in text
    assert "failed" in text
    one = app.fairway("history", "2", "--json").expect().json()
    assert {s["name"] for s in one["steps"]} >= {"stack small-local-app"}
    assert all(s["ended"] and not s["failed"] for s in one["steps"])
    detail = app.fairway("history", "3").expect().out
    assert "cause" in detail
    assert "stack small-local-app  failed" in detail
    assert "has no release 9" in app.fairway("history", "9").expect(1).err


def test_a_release_never_changes(app: Application) -> None:
    store = find_store(app.aws())
    assert store
    assert not store.create("releases/small/local/000001.json", b"{}")
    first = read_release(store, "small", "local", 1)
    assert first
    assert store.has(f"definitions/{first.definition}.yml")


def test_failed_releases_cannot_be_gone_back_to(app: Application) -> None:
    refused = app.fairway("rollback", "3", "--yes").expect(1)
    assert "cannot be gone back to: failed" in refused.err
    assert "has no release 8" in app.fairway("rollback", "8", "--yes").expect(1).err


def test_rollback_brings_back_the_code_and_leaves_the_data(app: Application) -> None:
    assert read_page(app) == "second 1"
    app.replace("sort_key: at", "sort_key: at, expire: until")
    app.apply()  # release 4: the data's stack changed since release 1
    assert read_page(app, "POST") == "second 2"
    client = app.aws().cloudformation
    data = client.describe_stacks(StackName="small-local-data")["Stacks"]
    store = find_store(app.aws())
    assert store
    before = set(store.list("artifacts/"))

    outcome = app.fairway("rollback", "1", "--yes", "--json").expect().json()
    assert outcome["changed"]
    assert outcome["release"]["kind"] == "rollback"
    assert outcome["release"]["origin"] == "local/1"
    assert read_page(app) == "first 2"
    assert client.describe_stacks(StackName="small-local-data")["Stacks"] == data
    assert set(store.list("artifacts/")) == before
    last = app.fairway("history", "--json").expect().json()["releases"][0]
    first = app.fairway("history", "1", "--json").expect().json()
    assert last["artifacts"] == first["artifacts"]
    again = app.fairway("rollback", "1", "--yes").expect()
    assert "small-local-data stays as it is now, and was otherwise in release 1" in again.err
    assert "what runs is what release 1 was" in again.out

    # Without a number: to the good one before the one that runs.
    app.fairway("rollback", "--yes").expect()
    assert read_page(app) == "second 2"
    assert "nothing to change" in app.apply().out


def test_rollback_needs_consent_and_shows_a_plan(app: Application) -> None:
    refused = app.fairway("rollback", "1").expect(1)
    assert "nothing was changed" in refused.err
    assert "MemorySize: 256 -> 128" in refused.out


def test_promotion_takes_the_same_bytes(app: Application, tmp_path: Path) -> None:
    # Two environments of one account, both answered by the local cloud.
    aws = app.aws()
    poc = load_app(app.directory, "poc")
    made = apply_plan(
        plan_app(poc, choose_here, aws),
        aws,
        provenance=Provenance("ann", "r1", app.file.read_text()),
    )
    # What is promoted is what was released, whatever stands in the file and the source by now.
    app.replace("memory: 256MB", "memory: 1024MB")
    app.replace('PAGE = "second"', 'PAGE = "third"', "src/app.py")
    release, definition = find_release(find_app(app.directory, "poc"), aws, None)
    assert release.number == made.number == 1
    prod = define_target(poc, definition, find_app(app.directory, "prod"))
    plan, provenance = plan_promotion(
        prod, release, aws, aws, tmp_path, Provenance("ann", None, ""), definition
    )
    assert {c.action for _, c in plan.changes()} <= {Action.CREATE, Action.NONE}
    promoted = apply_plan(plan, aws, provenance=provenance, consent=Consent())
    assert promoted.artifacts == made.artifacts
    assert (promoted.kind, promoted.origin, promoted.revision) == ("promote", "poc/1", "r1")
    sizes = {
        f["FunctionName"]: f["MemorySize"]
        for f in aws_functions(app)
        if "prod" in f["FunctionName"] or "poc" in f["FunctionName"]
    }
    assert sorted(sizes.values()) == [256, 512]
    digests = {f["CodeSha256"] for f in aws_functions(app) if f["FunctionName"] in sizes}
    assert len(digests) == 1

    with pytest.raises(FairwayError, match="no good release 7"):
        find_release(poc, aws, 7)


def make_lambda(app: Application) -> Any:
    info = find_cloud(app.directory / ".fairway")
    assert info
    return boto3.client(
        "lambda",
        endpoint_url=info.endpoint,
        region_name=info.region,
        aws_access_key_id=info.access_key,
        aws_secret_access_key=info.secret_key,
    )


def aws_functions(app: Application) -> list[dict[str, Any]]:
    return list(make_lambda(app).list_functions()["Functions"])


def test_what_runs_here_is_not_promoted(app: Application) -> None:
    refused = app.fairway("promote", "local", "prod").expect(1)
    assert "built for this machine" in refused.err
    assert "in prod already" in app.fairway("promote", "prod", "prod").expect(1).err
