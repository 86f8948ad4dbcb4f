"""Regions of AWS, so that a slip in a region's code is found before anything is asked."""

from __future__ import annotations

import re

# "AWS Regions", 2026, of all partitions that customers can have an account in; a test compares
# them with what botocore knows. Reading its data would be a dependency of the file on the clients.
REGIONS = (
    "af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
    "ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3",
    "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-central-1",
    "ca-west-1", "cn-north-1", "cn-northwest-1", "eu-central-1", "eu-central-2", "eu-north-1",
    "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "eusc-de-east-1",
    "il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1",
    "us-east-2", "us-gov-east-1", "us-gov-west-1", "us-west-1", "us-west-2",
)  # fmt: skip
SHAPE = r"^[a-z]{2,4}(-[a-z]+)+-\d$"
_AREAS = {region.rsplit("-", 2)[0] for region in REGIONS}
_SHAPE = re.compile(r"([a-z-]+)-(?:north|south|(?:north|south)?(?:east|west)|central)-\d\Z")


def is_region(text: str) -> bool:
    """Whether AWS has a region of this code, or may have: it adds more to the areas it is in."""
    found = _SHAPE.match(text)
    return found is not None and found[1] in _AREAS
