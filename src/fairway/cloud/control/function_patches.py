"""What is changed in ministack's Lambda, each with its reason (see `patches`)."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from fairway.cloud.control.asynchronous import AsyncInvocations, AsyncSettings, read_settings
from fairway.cloud.control.event_sources import BatchWindows, gather_batch, read_failures
from fairway.cloud.control.invocation import Executor, invoked_arn
from fairway.cloud.control.invoke_api import Answer, InvokeApi, Target
from fairway.cloud.control.resources.registry import Extension, Properties, call_api
from fairway.cloud.functions.environment import RESERVED

_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")
_SETTLING = 0.01  # seconds; a call's own answer still says InProgress, as on AWS
_AT_REST = {
    "State": "Active",
    "StateReason": "",
    "StateReasonCode": "",
    "LastUpdateStatus": "Successful",
    "LastUpdateStatusReason": "",
    "LastUpdateStatusReasonCode": "",
}
_ENVIRONMENT_LIMIT = 4096
"""Bytes; "Lambda quotas": environment variables, in all."""


def patch_executor(executor: Executor) -> None:
    """Functions run in our workers, with real limits, instead of in ministack's.

    Every synchronous invocation that ministack makes ends in this function. Its
    own log writing is skipped with it: our runtime writes the logs.
    """
    from ministack.services import lambda_svc

    lambda_svc._execute_function = executor


def patch_invoke(api: InvokeApi) -> None:
    """Invoke: weighted aliases, payload limits, the queue of events, the version that ran.

    ministack's takes an alias's first version only, accepts any payload, and
    answers throttling without its reason.
    """
    from ministack.services import lambda_svc

    original = lambda_svc.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        match = _INVOKE.fullmatch(unquote(path)) if method == "POST" else None
        if match is None or _is_durable(match[1]):
            answer: Answer = await original(method, path, headers, body, query)
            return answer
        lower = {name.lower(): value for name, value in headers.items()}
        qualifier = lambda_svc._qp_first(query, "Qualifier") or None
        return await api.answer(match[1], qualifier, lower, body)

    lambda_svc.handle_request = handle_request


def _is_durable(reference: str) -> bool:
    from ministack.services import lambda_svc

    record, _, _ = lambda_svc._get_base_func_record_for_ref(reference)
    config = (record or {}).get("config") or {}
    return bool((config.get("DurableConfig") or {}).get("Enabled"))


def find_target(reference: str, qualifier: str | None) -> Target | str:
    """Implements `invoke_api.Find` over ministack's functions, in the request's account."""
    from ministack.services import lambda_svc

    name, named = lambda_svc._resolve_request_scoped_name_and_qualifier(reference)
    qualifier = named or qualifier
    record = lambda_svc._functions.get(name)
    base: str = lambda_svc._func_arn(name)
    if record is None or not lambda_svc._function_qualifier_exists(record, qualifier):
        return f"{base}:{qualifier}" if qualifier else base
    return make_target(record, qualifier)


def make_target(record: Mapping[str, Any], qualifier: str | None) -> Target:
    """The target of a function's record, under a qualifier that exists."""
    base = str(record["config"]["FunctionArn"])
    qualifier = "" if qualifier in (None, "$LATEST") else str(qualifier)
    version = (record.get("aliases") or {}).get(qualifier, {}).get("FunctionVersion") or qualifier
    own = (record.get("versions") or {}).get(version) or record
    return Target(
        arn=f"{base}:{qualifier}" if qualifier else base,
        name=str(record["config"]["FunctionName"]),
        version=version or "$LATEST",
        settings=read_settings(own["config"], record, qualifier),
    )


def find_settings(arn: str) -> AsyncSettings | None:
    """The settings of the function with this ARN, qualified or not; None without one."""
    from ministack.services import lambda_svc

    parts = arn.split(":")
    record = lambda_svc._functions.get_scoped(parts[4], parts[3], parts[6])
    qualifier = parts[7] if len(parts) > 7 else None
    if record is None or not lambda_svc._function_qualifier_exists(record, qualifier):
        return None
    return make_target(record, qualifier).settings


class EventIntake:
    """Takes events that services send to functions, on any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, events: AsyncInvocations) -> None:
        self._loop = loop
        self._events = events

    def submit(self, arn: str, payload: bytes) -> None:
        """Queue an event for a function; one that does not exist gets nothing."""
        settings = find_settings(arn)
        if settings is not None:
            event = self._events.accept(arn, payload, settings)
            self._loop.call_soon_threadsafe(self._events.start, event)


def patch_events_to_functions(intake: EventIntake) -> None:
    """S3, SNS and EventBridge invoke asynchronously, with retries and destinations.

    ministack invokes once for SNS and EventBridge, and knows no OnSuccess, no
    age that is exceeded and no attributes of a dead letter.
    """
    from ministack.services import eventbridge, lambda_svc, sns

    def invoke_async_with_retry(function: dict[str, Any], event: object) -> None:
        arn = invoked_arn(function.get("config") or function)
        intake.submit(arn, json.dumps(event, ensure_ascii=False).encode(errors="replace"))

    def dispatch_to_lambda(arn: str, payload: str) -> None:
        try:
            json.loads(payload)
        except (ValueError, TypeError):
            payload = json.dumps({"body": payload})
        intake.submit(arn, payload.encode())

    def deliver_to_lambda(
        endpoint: str, envelope: str, topic: str, subscription: str, *_: object
    ) -> None:
        record = {
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription,
            "EventSource": "aws:sns",
            "Sns": json.loads(envelope),
        }
        intake.submit(endpoint, json.dumps({"Records": [record]}, ensure_ascii=False).encode())

    lambda_svc.invoke_async_with_retry = invoke_async_with_retry
    eventbridge._dispatch_to_lambda = dispatch_to_lambda
    sns._deliver_to_lambda = deliver_to_lambda


def patch_event_sources(clock: Callable[[], float] = time.time) -> None:
    """Queues as event sources: windows, large batches, partial failures, aliases, concurrency.

    ministack gives at most ten messages at once, takes a batch at once whatever
    its window, counts an answer that names unknown messages as a success, invokes
    the version instead of the alias, and forgets a function's reserved
    concurrency under a qualifier.
    """
    from ministack.services import lambda_svc, sqs

    windows = BatchWindows(clock)
    iterate: Callable[[], Iterator[tuple[str, str, Any]]] = lambda_svc._iter_all_esms
    concurrency: Callable[..., int] = lambda_svc._sqs_esm_concurrency

    def iterate_due() -> Iterator[tuple[str, str, Any]]:
        for account, region, mapping in iterate():
            if windows.is_due(mapping, _count_waiting(mapping, clock())):
                yield account, region, mapping

    def limit_concurrency(
        mapping: dict[str, Any], function: dict[str, Any], config: dict[str, Any], queue: Any = None
    ) -> int:
        record = lambda_svc._functions.get(mapping["FunctionName"]) or function
        return concurrency(mapping, record, config, queue)

    receive: Callable[[str, int], list[dict[str, Any]]] = sqs._receive_messages_for_esm

    def receive_batch(queue_url: str, wanted: int) -> list[dict[str, Any]]:
        return gather_batch(lambda count: receive(queue_url, count), int(wanted or 10))

    sqs._receive_messages_for_esm = receive_batch
    lambda_svc._iter_all_esms = iterate_due
    lambda_svc._sqs_esm_concurrency = limit_concurrency
    lambda_svc._run_sqs_batch = run_sqs_batch


def _count_waiting(mapping: Mapping[str, Any], now: float) -> int:
    """Messages that the mapping's queue would give now; 0 where the window does not matter."""
    if not mapping.get("MaximumBatchingWindowInSeconds"):
        return 0
    from ministack.services import sqs

    queue = sqs._queue_by_arn(str(mapping.get("EventSourceArn") or ""))
    messages = queue["messages"] if queue else ()
    return sum(1 for message in list(messages) if message["visible_at"] <= now)


def run_sqs_batch(
    mapping: dict[str, Any],
    function: dict[str, Any],
    event: dict[str, Any],
    batch: list[dict[str, Any]],
    queue_url: str,
    queue_name: str,
) -> None:
    """Invoke for one batch and delete the messages that succeeded. Runs in a worker thread."""
    from ministack.services import lambda_svc, sqs

    config = dict(function["config"])
    if mapping.get("Qualifier"):
        config["FunctionArn"] = mapping["FunctionArn"]
    result = lambda_svc._execute_function({**function, "config": config}, event)
    ids = [str(message["id"]) for message in batch]
    failed: set[str] = set()
    if result.get("error"):
        failed = set(ids)
        lambda_svc._esm_backoff_until[mapping["UUID"]] = (
            time.time() + lambda_svc._ESM_BACKOFF_SECONDS
        )
    elif "ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or ()):
        failed = read_failures(result.get("body"), ids)
    succeeded = {
        message["receipt_handle"]
        for message in batch
        if message["id"] not in failed and message.get("receipt_handle")
    }
    sqs._delete_messages_for_esm(queue_url, succeeded)
    mapping["LastProcessingResult"] = (
        "PROBLEM: Function call failed" if result.get("error") else "OK"
    )


def _check_properties(props: Properties) -> None:
    refusal = check_environment((props.get("Environment") or {}).get("Variables") or {})
    if refusal is not None:
        raise ValueError(f"{refusal} (Service: Lambda, Status Code: 400)")


def _apply_version(
    arn: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Provisioned concurrency of a version, which ministack leaves out."""
    from ministack.services import lambda_svc

    *_, name, version = arn.split(":")
    wanted = (props.get("ProvisionedConcurrencyConfig") or {}).get(
        "ProvisionedConcurrentExecutions"
    )
    if wanted:
        request = {"ProvisionedConcurrentExecutions": int(wanted)}
        call_api(lambda_svc._put_provisioned_concurrency(name, version, request), "Version")


EXTENSIONS = {
    "AWS::Lambda::Function": Extension(check=_check_properties),
    "AWS::Lambda::Version": Extension(apply=_apply_version),
}


def patch_settling() -> None:
    """A function is at rest again soon after it took new code or settings.

    ministack lets half a second pass for the look of it; ours run the new code by the time that
    the call is answered, so that who waits for LastUpdateStatus waits for nothing. Who would have
    let a restored function come to rest ended with the process before: it is at rest now.
    """
    from ministack.services import lambda_svc

    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = _SETTLING
    for function in lambda_svc._functions._data.values():
        versions = function.get("versions", {}).values()
        for config in (function["config"], *(version["config"] for version in versions)):
            states = config.get("State"), config.get("LastUpdateStatus")
            if states[0] == "Pending" or states[1] == "InProgress":
                config.update(_AT_REST)


def patch_environment_limit() -> None:
    """Environments above 4 KB, and reserved names, are refused, as Lambda does."""
    from ministack.services import lambda_svc

    for name in ("_create_function", "_update_config"):
        setattr(lambda_svc, name, _check_first(getattr(lambda_svc, name)))


def _check_first(original: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*args: Any) -> Any:
        from ministack.core.responses import error_response_json

        data = args[-1]
        refusal = check_environment((data.get("Environment") or {}).get("Variables") or {})
        if refusal is not None:
            return error_response_json("InvalidParameterValueException", refusal, 400)
        return original(*args)

    return checked


def check_environment(variables: Mapping[str, object]) -> str | None:
    """Why Lambda would refuse these variables; None when it would not.

    "Working with Lambda environment variables" and "Lambda quotas".
    """
    reserved = sorted(RESERVED & set(variables))
    start = "Lambda was unable to configure your environment variables because the environment "
    if reserved:
        return (
            f"{start}variables you have provided contains reserved keys that are currently not "
            f"supported for modification. Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > _ENVIRONMENT_LIMIT:
        return (
            f"{start}variables you have provided exceeded the 4KB limit. "
            f"String measured: {measured}"
        )
    return None
