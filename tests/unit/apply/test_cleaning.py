"""What kept releases need stays, of every application; the rest goes after its day of grace."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.apply.fakes import BEGAN, make_store
from tests.unit.apply.test_journal import make_release

from fairway.apply.cleaning import GRACE, clean_up, is_due, sweep
from fairway.apply.journal import Journal
from fairway.apply.release import StackRecord, write_release
from fairway.errors import DeploymentFailed
from fairway.plan.given_code import CodeNote, Given, dump_note, note_key


def test_sweep() -> None:
    store, s3 = make_store()
    for number in range(1, 6):
        outcome = "failed" if number == 4 else "succeeded"
        stacks = {"shop-prod-app": StackRecord(f"t{number}", "app")}
        release = make_release(number, outcome=outcome, stacks=stacks)
        write_release(store, replace(release, artifacts={"src": f"a{number}"}, definition="def"))
    other = replace(make_release(1, outcome="succeeded"), app="other", artifacts={"src": "a1"})
    write_release(store, other)
    under_way = replace(make_release(6), environment="poc", artifacts={"src": "a0"})
    Journal(store, under_way, lambda: BEGAN).open()
    for number in range(6):
        s3.objects[f"artifacts/a{number}.zip"] = b"zip"
        s3.objects[f"templates/t{number}.json"] = b"{}"
    s3.objects["artifacts/fresh.zip"] = b"zip"
    s3.objects["definitions/def.yml"] = b"app: shop"
    # What CloudFormation would go back to, should an update fail: older than all releases.
    told = CodeNote({("shop-prod-app", "Api"): Given("api-1", "artifacts/a5.zip")})
    told = replace(told, archives={"x": "artifacts/told.zip", "y": "artifacts/a5.zip"})
    s3.objects[note_key("shop", "prod")] = dump_note(told)
    s3.objects["artifacts/told.zip"] = b"zip"
    now = BEGAN + GRACE + timedelta(seconds=1)
    s3.ages["artifacts/fresh.zip"] = now - timedelta(hours=1)

    gone = sweep(store, now, kept=2)
    assert gone == [
        "artifacts/a2.zip",
        "templates/t0.json",
        "templates/t1.json",
        "templates/t2.json",
    ]
    assert not set(gone) & s3.objects.keys()
    assert {f"releases/shop/prod/00000{n}.json" for n in range(1, 6)} <= s3.objects.keys()
    assert sweep(store, now, kept=2) == []


@pytest.mark.parametrize("body", [b'{"format": 2}', b"not json"])
def test_while_a_note_cannot_be_read_nothing_goes(body: bytes) -> None:
    store, s3 = make_store()
    s3.objects["artifacts/old.zip"] = b"zip"
    s3.objects[note_key("other", "poc")] = body
    before = dict(s3.objects)
    with pytest.raises(DeploymentFailed, match=r"^code/other/poc\.json: "):
        sweep(store, BEGAN + 2 * GRACE)
    told = clean_up(store, 10, BEGAN + 2 * GRACE)
    assert told.startswith("old archives could not be cleaned up: code/other/poc.json: ")
    assert s3.objects == before


def test_cleaning_up_tells_what_went() -> None:
    store, s3 = make_store()
    s3.objects["artifacts/old.zip"] = b"zip"
    assert clean_up(store, 9, BEGAN + 2 * GRACE) == ""
    assert clean_up(store, 10, BEGAN + 2 * GRACE) == "removed 1 old archives and templates"
    assert clean_up(store, 20, BEGAN + 2 * GRACE) == ""
    assert not s3.objects


def test_when() -> None:
    assert [n for n in range(1, 31) if is_due(n)] == [10, 20, 30]
