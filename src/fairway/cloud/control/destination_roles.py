"""Destinations and dead-letter queues are written in the function's role.

Lambda asks when they are configured. "Capturing records of Lambda asynchronous
invocations", and "Adding a dead-letter queue", execution role permissions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairway.cloud.control.authority import FunctionRole, find_refusal, find_role
from fairway.cloud.control.denials import Denial
from fairway.cloud.control.resources.registry import Extension, Properties

Record = Mapping[str, Any]

ACTIONS = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
    "events": "events:PutEvents",
    "s3": "s3:PutObject",
}


def find_send_refusal(who: FunctionRole, target: str, purpose: str) -> Denial | None:
    """What a role lacks to hand a record to a queue, topic, function, bus or bucket."""
    service = target.split(":")[2]
    action = ACTIONS.get(service)
    if action is None:
        return None  # the delivery itself says that it is not supported
    resource = f"{target}/*" if service == "s3" else target
    refused = find_refusal(who, action, resource)
    if refused is None:
        return None
    return Denial(refused.principal, refused.action, refused.resource, purpose)


def check_sender(function: str, target: str, tell: Callable[[Denial], None]) -> None:
    """Refuse a delivery that a function's role does not allow. function: ARN.

    Raises ValueError with the reason.
    """
    who = find_role(function)
    refused = find_send_refusal(who, target, "to hand on an event") if who else None
    if refused is not None:
        tell(refused)
        raise ValueError(
            f"{refused.principal} is not authorized to perform {refused.action} "
            f"on {refused.resource}"
        )


def check_targets(function: str, targets: list[str], what: str) -> str | None:
    """Why Lambda would refuse these targets of a function (name or ARN); None if not."""
    from ministack.services import lambda_svc

    name, _ = lambda_svc._resolve_request_scoped_name_and_qualifier(function)
    who = find_role(lambda_svc._func_arn(name)) if name in lambda_svc._functions else None
    return _check_targets_of(who, targets, what) if who else None


def _check_targets_of(who: FunctionRole, targets: list[str], what: str) -> str | None:
    for target in targets:
        if target.count(":") < 5:
            continue
        refused = find_send_refusal(who, target, "")
        if refused is not None:
            service, _, call = refused.action.partition(":")
            return what.format(service=service.upper(), call=call, target=target)
    return None


_DESTINATION = "The function's execution role does not have permissions to call {call} on {target}"
_DEAD_LETTERS = "The provided execution role does not have permissions to call {call} on {service}"


def _list_destinations(config: Record) -> list[str]:
    found = config.get("DestinationConfig") or {}
    return [
        str((found.get(name) or {}).get("Destination") or "") for name in ("OnSuccess", "OnFailure")
    ]


def _list_dead_letters(config: Record) -> list[str]:
    return [str((config.get("DeadLetterConfig") or {}).get("TargetArn") or "")]


def patch_destination_roles() -> None:
    """Refuse what the role could not write to, where it is configured by a call."""
    from ministack.core.responses import error_response_json
    from ministack.services import lambda_svc

    put = lambda_svc._put_event_invoke_config

    def refuse(why: str) -> Any:
        return error_response_json("InvalidParameterValueException", why, 400)

    def put_config(name: str, qualifier: str | None, data: Record) -> Any:
        why = check_targets(name, _list_destinations(data), _DESTINATION)
        return refuse(why) if why else put(name, qualifier, data)

    def check_first(
        original: Callable[..., Any], find: Callable[..., Record]
    ) -> Callable[..., Any]:
        def checked(*args: Any) -> Any:
            data = args[-1]
            config = {**find(*args), **data}
            why = check_dead_letters(config)
            return refuse(why) if why else original(*args)

        return checked

    def find_config(name: str, data: Record) -> Record:
        return dict((lambda_svc._functions.get(name) or {}).get("config") or {})

    lambda_svc._put_event_invoke_config = put_config
    lambda_svc._create_function = check_first(lambda_svc._create_function, lambda *_: {})
    lambda_svc._update_config = check_first(lambda_svc._update_config, find_config)


def check_dead_letters(config: Record) -> str | None:
    """Why Lambda would refuse a function's dead-letter target; None if not."""
    role = str(config.get("Role") or "")
    if ":role/" not in role:
        return None
    who = FunctionRole(role, str(config.get("FunctionName") or "function"))
    return _check_targets_of(who, _list_dead_letters(config), _DEAD_LETTERS)


def _check_function(props: Properties) -> None:
    refusal = check_dead_letters(props)
    if refusal is not None:
        raise ValueError(f"{refusal} (Service: Lambda, Status Code: 400)")


EXTENSIONS = {"AWS::Lambda::Function": Extension(check=_check_function)}
