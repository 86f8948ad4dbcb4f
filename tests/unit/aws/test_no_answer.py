"""An endpoint that does not answer: the local cloud was stopped, AWS is out of reach."""

from __future__ import annotations

import socket

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from fairway.aws import Aws, Endpoint
from fairway.aws.endpoint import explain_no_answer
from fairway.aws.stacks import describe_stack
from fairway.errors import CloudUnavailable


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_on_this_machine_it_was_the_local_cloud(host: str) -> None:
    for error in (
        EndpointConnectionError(endpoint_url=f"http://{host}:8080/"),
        ConnectionClosedError(endpoint_url=f"http://{host}:8080/"),
    ):
        told = explain_no_answer(error)
        assert isinstance(told, CloudUnavailable)
        assert told.summary == "the local cloud was stopped while it was asked"
        assert "fairway up" in str(told.hint)


def test_elsewhere_it_is_the_network() -> None:
    url = "https://cloudformation.eu-west-1.amazonaws.com/"
    told = explain_no_answer(EndpointConnectionError(endpoint_url=url))
    assert not isinstance(told, CloudUnavailable)
    assert url in told.summary
    assert told.hint == "check the network and the region"
    assert "AWS could not be asked" in explain_no_answer(ValueError("no url at all")).summary


def test_a_stack_of_a_cloud_that_is_gone() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens, and nobody else may
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        aws = Aws(Endpoint("eu-west-1", url, "key", "secret"))
        with pytest.raises(CloudUnavailable, match="was stopped while it was asked"):
            describe_stack(aws, "any")
