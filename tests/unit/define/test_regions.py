"""Regions: those that the libraries know are known, slips are told, new ones are taken."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from fairway.define.regions import REGIONS, is_region


def test_those_that_botocore_knows_are_ours() -> None:
    data = json.loads((files("botocore") / "data" / "partitions.json").read_text())
    closed = ("aws-iso",)  # accounts there are not for everybody
    known = {
        region
        for partition in data["partitions"]
        if not partition["id"].startswith(closed)
        for region in partition["regions"]
        if not region.endswith("-global")
    }
    assert known <= set(REGIONS)
    assert list(REGIONS) == sorted(set(REGIONS))
    assert all(map(is_region, REGIONS))


def test_those_that_cfn_lint_knows_are_ours() -> None:
    from cfnlint.helpers import REGIONS as LINTED

    assert {region for region in LINTED if "-iso" not in region} <= set(REGIONS)


@pytest.mark.parametrize("region", ["eu-west-9", "us-northeast-1", "ap-southeast-8"])
def test_one_that_aws_may_add_is_taken(region: str) -> None:
    assert region not in REGIONS
    assert is_region(region)


@pytest.mark.parametrize(
    "region", ["eu-wst-1", "ue-west-1", "eu-west", "eu-west-11", "eu-west-1a", "EU-WEST-1", ""]
)
def test_a_slip_is_none(region: str) -> None:
    assert not is_region(region)
