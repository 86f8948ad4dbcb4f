"""AWS's descriptions of its services are read once, however many targets there are."""

from __future__ import annotations

from fairway.aws import Aws, Endpoint
from fairway.aws.endpoint import open_models

HERE = Endpoint("eu-west-1", "http://127.0.0.1:9", "key", "secret")


def test_targets_share_them() -> None:
    first, second = Aws(HERE), Aws(HERE)
    described = [target.sqs.meta.service_model.metadata for target in (first, second)]
    assert described[0] is described[1]


def test_further_targets_do_not_make_them_grow() -> None:
    Aws(HERE)
    folders = list(open_models(None).search_paths)
    Aws(HERE)
    assert open_models(None).search_paths == folders
