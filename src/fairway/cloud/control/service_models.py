"""The SDK's service models as the emulator reads them: only what it asks for, and none kept whole.

ministack looks up two things with a service's first request: its protocol, for the content type of
the answer, and the operations that take tags, for conditions on them. It loads the whole model for
each, and the SDK with it: 0.3 s of the loop and 24 MiB for the three services that `fairway up`
asks. The protocol stands in a model's first lines; which operations take tags is kept beside this
module, since the SDK's version moves with ministack's only.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TAG_OPERATIONS = Path(__file__).with_name("tag_operations.json")
"""Service to the names of its operations that take tags; a test compares it with the models."""

_HEAD = 4096
"""Characters of a model's file that hold its metadata: it is written before the operations."""

_METADATA = '"metadata":'


class ServiceModel:
    """A service's model. metadata: as its file has it; the rest is loaded for who asks for more."""

    def __init__(self, metadata: dict[str, Any], load: Callable[[], Any]) -> None:
        self.metadata = metadata
        self._load = load

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)


def patch_models() -> None:
    """Make the emulator read no more than it needs. Call before its services are imported."""
    from ministack.core import iam_actions, responses

    load_whole = responses._service_model

    @cache
    def read_model(service: str) -> Any:
        metadata = read_metadata(responses._BOTOCORE_NAME.get(service, service))
        return ServiceModel(metadata, lambda: load_whole(service)) if metadata else None

    responses._service_model = read_model
    known = json.loads(TAG_OPERATIONS.read_bytes())
    iam_actions._TAG_OPERATIONS.update((service, frozenset(known[service])) for service in known)


def read_metadata(service: str) -> dict[str, Any] | None:
    """The metadata of the SDK's newest model of a service; None where it has none."""
    spec = find_spec("botocore")  # found, not imported
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "data" / service
    # Their folders are named by date; the SDK takes the newest too.
    file = max(folder.glob("*/service-2.json.gz"), default=None)
    if file is None:
        return None
    with gzip.open(file, "rt", encoding="utf-8") as text:
        head = text.read(_HEAD)
    _, _, rest = head.partition(_METADATA)
    found: dict[str, Any] = json.JSONDecoder().raw_decode(rest.lstrip())[0]
    return found
