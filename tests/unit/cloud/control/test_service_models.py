"""What is read of the SDK's models instead of the whole is what the whole says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.session import get_session
from ministack.app import SERVICE_REGISTRY
from ministack.core import iam_actions, responses

from fairway.cloud.control.service_models import TAG_OPERATIONS, patch_models, read_metadata

SERVICES = sorted(SERVICE_REGISTRY.keys() | iam_actions._BOTOCORE_SERVICE_MAP.keys())


@pytest.fixture
def unpatched() -> Iterator[Any]:
    """ministack as it is; gives its own reading of models."""
    whole, tags = responses._service_model, dict(iam_actions._TAG_OPERATIONS)
    iam_actions._TAG_OPERATIONS.clear()
    yield whole
    responses._service_model = whole
    iam_actions._TAG_OPERATIONS.clear()
    iam_actions._TAG_OPERATIONS.update(tags)


def test_metadata_is_that_of_the_model() -> None:
    session = get_session()
    available = session.get_available_services()
    assert len(available) > 300
    for service in ("cloudformation", "dynamodb", "ec2", "lambda", "s3", "sqs", "ssm", "sts"):
        assert read_metadata(service) == session.get_service_model(service).metadata
    for service in available:
        assert (read_metadata(service) or {}).get("protocol")


def test_a_service_that_the_sdk_lacks_has_none(unpatched: Any) -> None:
    patch_models()
    assert read_metadata("carrier-pigeon") is None
    assert responses._service_model("carrier-pigeon") is None
    assert unpatched("carrier-pigeon") is None


def test_answers_keep_their_content_types(unpatched: Any) -> None:
    def list_types() -> dict[tuple[str, str], tuple[str | None, str | None]]:
        return {
            (service, emitted): (
                responses.expected_error_content_type(service, emitted),
                responses.expected_success_content_type(service, emitted),
            )
            for service in ("cloudformation", "dynamodb", "ec2", "lambda", "monitoring", "s3")
            for emitted in ("application/json", "application/xml", "text/xml")
        }

    before = list_types()
    patch_models()
    assert list_types() == before
    assert len(set(before.values())) > 4


def test_who_asks_for_more_gets_the_whole_model(unpatched: Any) -> None:
    patch_models()
    model = responses._service_model("states")
    assert model.metadata["endpointPrefix"] == "states"
    assert model.operation_model("StartExecution").input_shape.members["stateMachineArn"]
    assert "StartExecution" in model.operation_names


def test_operations_that_take_tags_are_known(unpatched: Any, update_golden: bool) -> None:
    found = {service: sorted(iam_actions._tag_operations(service)) for service in SERVICES}
    if update_golden:
        TAG_OPERATIONS.write_text(json.dumps(found, indent=1) + "\n")
    known = json.loads(TAG_OPERATIONS.read_bytes())
    assert known == found, "the SDK has moved: run this test with --update-golden"
    assert "CreateTable" not in known["s3"]
    assert "CreateTable" in known["dynamodb"]
    patch_models()
    assert iam_actions._tag_operations("ec2") == frozenset(known["ec2"])
