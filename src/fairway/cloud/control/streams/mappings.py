"""ministack's event source mappings on streams, worked on by our poller instead of its own.

Its own stops a mapping at the first error, whatever the mapping says, and
knows no windows, partial failures, splitting, retries, lanes or time stamps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fairway.cloud.control.resources.registry import Extension, Properties
from fairway.cloud.control.streams.model import FOREVER, read_settings
from fairway.cloud.control.streams.poller import Followed, StreamPoller
from fairway.cloud.control.streams.sources import list_shards

Mapping = dict[str, Any]

_DEFAULTS = {
    "BatchSize": 100,
    "BisectBatchOnFunctionError": False,
    "MaximumRecordAgeInSeconds": FOREVER,
    "MaximumRetryAttempts": FOREVER,
    "ParallelizationFactor": 1,
}
"""Page "CreateEventSourceMapping" of the Lambda API reference, for Kinesis and DynamoDB."""

_ONLY_STREAMS = (":dynamodb:", ":kinesis:")


def _is_stream(mapping: Mapping) -> bool:
    return any(part in str(mapping.get("EventSourceArn") or "") for part in _ONLY_STREAMS)


def follow_mappings() -> Iterator[Followed]:
    """Implements `poller.Follow` over ministack's mappings."""
    from ministack.services import lambda_svc

    # Not through the store's own `items`, which would have the service looked at all the time.
    for (account, region, _), mapping in list(dict.items(lambda_svc._esms._data)):
        if not _is_stream(mapping) or not mapping.get("Enabled", True):
            continue
        function = lambda_svc._functions.get_scoped(account, region, mapping["FunctionName"])
        if function is None:
            continue
        role = str(function["config"].get("Role") or "")
        settings = read_settings(mapping)
        shards = list(list_shards(settings.stream, role))
        yield Followed(mapping, settings, shards, _make_filter(mapping))


def _make_filter(mapping: Mapping) -> Any:
    from ministack.services import lambda_svc

    return lambda records: lambda_svc._apply_filter_criteria(records, mapping)


def patch_stream_mappings(poller: StreamPoller) -> None:
    """Leave queues to ministack's poller and take streams from it."""
    from ministack.core.responses import error_response_json
    from ministack.services import lambda_svc

    create, release = lambda_svc._create_esm, lambda_svc._release_esm_poll_state

    def create_mapping(data: Mapping) -> Any:
        if not _is_stream(data):
            return create(data)
        refusal = check_mapping(data)
        if refusal is not None:
            return error_response_json("InvalidParameterValueException", refusal, 400)
        answer = create({**_DEFAULTS, **data})
        status, _, body = answer
        if status < 300:
            place(lambda_svc._esms[json.loads(body)["UUID"]], data)
        return answer

    def place(mapping: Mapping, data: Mapping) -> None:
        complete_mapping(mapping, data)
        settings = read_settings(mapping)
        poller.place(settings, list(list_shards(settings.stream, "")))

    def place_declared(uuid: str, *_: str) -> None:
        mapping = lambda_svc._esms.get(uuid)
        if mapping is not None and _is_stream(mapping):  # made by the engine: it is stored first
            place(mapping, {})

    def release_mapping(uuid: str) -> None:
        release(uuid)
        poller.forget(uuid)

    lambda_svc._create_esm = create_mapping
    lambda_svc._release_esm_poll_state = release_mapping
    lambda_svc._init_stream_position = place_declared
    lambda_svc._poll_kinesis = lambda: False
    lambda_svc._poll_dynamodb_streams = lambda: False


def start_polling() -> None:
    """Let ministack's poller look at queues; the emulator has held it back until now."""
    from ministack.services import lambda_svc

    lambda_svc._poller_started = False
    if lambda_svc._esms.has_any():
        lambda_svc._ensure_poller()


def complete_mapping(mapping: Mapping, data: Mapping) -> None:
    """Keep what ministack leaves out of a mapping's record. data: as it was asked for."""
    for name, value in _DEFAULTS.items():
        if mapping.get(name) is None:
            mapping[name] = value
    if data.get("StartingPositionTimestamp") is not None:
        mapping["StartingPositionTimestamp"] = float(data["StartingPositionTimestamp"])


def _check_declared(props: Properties) -> None:
    refusal = check_mapping(props) if _is_stream(props) else None
    if refusal is not None:
        raise ValueError(f"{refusal} (Service: Lambda, Status Code: 400)")


def _apply_declared(
    uuid: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """The batch size that the type's page gives streams, and what else the engine leaves out."""
    from ministack.services import lambda_svc

    if _is_stream(props):
        mapping = lambda_svc._esms[uuid]
        mapping["BatchSize"] = int(props.get("BatchSize") or _DEFAULTS["BatchSize"])
        complete_mapping(mapping, props)


EXTENSIONS = {
    "AWS::Lambda::EventSourceMapping": Extension(check=_check_declared, apply=_apply_declared)
}

_RANGES = {
    "BatchSize": (1, 10_000),
    "MaximumBatchingWindowInSeconds": (0, 300),
    "MaximumRecordAgeInSeconds": (-1, 604_800),
    "MaximumRetryAttempts": (-1, 10_000),
    "ParallelizationFactor": (1, 10),
}
"""The same page: valid ranges."""


def check_mapping(data: Mapping) -> str | None:
    """Why Lambda would refuse a mapping on a stream; None when it would not."""
    start = data.get("StartingPosition")
    if start is None:
        return "1 validation error detected: StartingPosition is required for streams."
    is_table = ":dynamodb:" in str(data["EventSourceArn"])
    if start not in ("TRIM_HORIZON", "LATEST") and (is_table or start != "AT_TIMESTAMP"):
        return f"Unsupported starting position for this event source: {start}"
    if start == "AT_TIMESTAMP" and data.get("StartingPositionTimestamp") is None:
        return "StartingPositionTimestamp is required with AT_TIMESTAMP."
    if data.get("TumblingWindowInSeconds"):
        return "The local cloud has no tumbling windows."
    for name, (least, most) in _RANGES.items():
        value = data.get(name)
        if value is not None and not least <= int(value) <= most:
            return f"Value {value} at {name} must be between {least} and {most}."
    return None
