"""Who calls: the project's administrator, a function in its role, or nobody known.

ministack evaluates policies and checks signatures once it is told to, but takes
well-known keys ("test", any twelve digits) for the account's owner without
looking at the signature. Here the project's own random key is the only
administrator, and each function signs with a session of its own role (`sessions`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from fairway.cloud.control import allowances, keys, request_actions, request_keys
from fairway.cloud.control.decisions import Decisions
from fairway.cloud.control.denials import Denial
from fairway.cloud.control.leading_keys import list_leading_keys
from fairway.cloud.control.settings import CloudSettings
from fairway.cloud.control.signatures import make_authenticate

ANONYMOUS = "anonymous"
"""Stands for the ARN of a caller without credentials."""


def guard_identity(
    settings: CloudSettings, denied: Callable[[Denial], None], allowed: allowances.Tell
) -> None:
    """Make ministack know the administrator and nobody else. Call before services are imported.

    denied: called on the event loop for each refusal that a policy decided. allowed: for what the
    evaluator allowed, each time that it is asked.
    """
    from ministack.core import iam_actions, iam_evaluator

    _count_loopback_as_secure(iam_evaluator)
    iam_evaluator.is_root_access_key = lambda access_key_id: False
    iam_evaluator.resolve_credential = _know_administrator(
        iam_evaluator, settings, iam_evaluator.resolve_credential
    )
    iam_evaluator.resolve_principal = _know_nobody(
        iam_evaluator, settings, iam_evaluator.resolve_principal
    )
    iam_evaluator._principal_keys = _describe_lazily(iam_evaluator._principal_keys)
    iam_evaluator.request_caller_arn = _find_caller(iam_evaluator)
    iam_evaluator.parse_policy_document = _remember_policies(iam_evaluator.parse_policy_document)
    iam_evaluator._trust_principal_matches = _trust_only_callers(
        iam_evaluator._trust_principal_matches
    )
    iam_evaluator.authenticate = make_authenticate(iam_evaluator, iam_evaluator.authenticate)
    asked = allowances.tell_allowed(iam_evaluator, iam_evaluator.enforce, allowed)
    check = check_keys(iam_evaluator, asked, denied)
    iam_evaluator.enforce = remember_allowed(iam_evaluator, check, allowed)
    iam_evaluator.pin_signed_body = _keep_body(iam_evaluator)
    iam_actions.json = _ParseOnce()
    request_keys.patch_object_context()
    request_actions.patch_requests(iam_actions)
    iam_actions.dynamodb_service_context = _add_leading_keys(iam_actions.dynamodb_service_context)
    iam_actions.access_denied_response = _name_resources(
        iam_actions, iam_actions.access_denied_response
    )


def _count_loopback_as_secure(evaluator: Any) -> None:
    """aws:SecureTransport is true: what stays on this machine goes over TLS on AWS.

    Policies that deny plain transport would otherwise deny every call here, also
    those that services make for themselves.
    """
    pin = evaluator.pin_request_origin
    evaluator.pin_request_origin = lambda address, secure: pin(address, True)
    evaluator._request_origin = ContextVar("request_origin", default=("127.0.0.1", True))


def _know_administrator(
    evaluator: Any, settings: CloudSettings, original: Callable[..., Any]
) -> Callable[..., Any]:
    """The project's key is the account's owner, and its signature is checked like any other."""
    unchecked = evaluator._SESSION_TOKEN_NOT_CHECKED

    def resolve(
        access_key_id: str, account_id: str | None = None, session_token: Any = unchecked
    ) -> Any:
        if access_key_id != settings.access_key:
            return original(access_key_id, account_id, session_token)
        problem = evaluator._validate_session_token(None, session_token)
        if problem:
            return problem
        return evaluator.ResolvedCredential(
            access_key_id=access_key_id,
            secret_access_key=settings.secret_key,
            account_id=settings.account,
            principal_arn=f"arn:aws:iam::{settings.account}:root",
            principal_id=settings.account,
            principal_type="Root",
            source_access_key_id=access_key_id,
        )

    return resolve


def _know_nobody(
    evaluator: Any, settings: CloudSettings, original: Callable[..., Any]
) -> Callable[..., Any]:
    """A request without credentials has no policies of its own: a bucket policy may let it in."""

    def resolve(access_key_id: str, account_id: str, credential: Any = None) -> Any:
        if access_key_id:
            return original(access_key_id, account_id, credential)
        return evaluator.PrincipalInfo(
            arn=ANONYMOUS, type="Anonymous", account=settings.account, policies=[]
        )

    return resolve


def _remember_policies(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Parsing a policy for each request costs more than evaluating it; equal texts are equal."""
    known: dict[str, Any] = {}

    def parse(document: Any) -> Any:
        if not isinstance(document, str):
            return original(document)
        found = known.get(document)
        if found is None:
            if len(known) >= 1024:
                known.clear()
            found = known[document] = original(document)
        return found

    return parse


def _keep_body(evaluator: Any) -> Callable[[bytes], None]:
    """The request's record is its own: set its body instead of copying all of it."""

    def keep(body: bytes) -> None:
        request = evaluator._signed_request.get()
        if request is not None:
            object.__setattr__(request, "body", body)

    return keep


class _ParseOnce:
    """Stands for the json module where four readers in turn parse the body of one request."""

    dumps = staticmethod(json.dumps)
    load = staticmethod(json.load)
    JSONDecodeError = json.JSONDecodeError

    def __init__(self) -> None:
        self._last: tuple[Any, Any] = (None, None)

    def loads(self, text: Any) -> Any:
        last, parsed = self._last
        if text is not last:  # the readers only look, so that they may share what they see
            parsed = json.loads(text)
            self._last = (text, parsed)
        return parsed


class _LazyValues(list[str]):
    """The values of a condition key, found when a condition asks for them."""

    def __init__(self, find: Callable[[], list[str]]) -> None:
        super().__init__()
        self._find: Callable[[], list[str]] | None = find

    def _fill(self) -> None:
        if self._find is not None:
            find, self._find = self._find, None
            self.extend(find())

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return super().__iter__()

    def __len__(self) -> int:
        self._fill()
        return super().__len__()


def _add_leading_keys(
    original: Callable[[bytes], dict[str, Any]],
) -> Callable[[bytes], dict[str, Any]]:
    def describe(body: bytes) -> dict[str, Any]:
        found = original(body)
        found["dynamodb:LeadingKeys"] = _LazyValues(
            lambda: list_leading_keys(json.loads(body or b"{}"), _find_partition_key)
        )
        return found

    return describe


def _find_partition_key(table: str) -> str | None:
    from ministack.services import dynamodb

    record = dynamodb._tables.get(table.rsplit("/", 1)[-1]) or {}
    keys = (str(k["AttributeName"]) for k in record.get("KeySchema") or [])
    return next(keys, None)


class _LazyKeys(dict[str, Any]):
    """Condition keys of a caller, found when the first condition asks for one."""

    def __init__(self, find: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self._find: Callable[[], dict[str, Any]] | None = find

    def _fill(self) -> None:
        if self._find is not None:
            find, self._find = self._find, None
            self.update(find())

    def __contains__(self, key: object) -> bool:
        self._fill()
        return super().__contains__(key)

    def __getitem__(self, key: str) -> Any:
        self._fill()
        return super().__getitem__(key)


def _describe_lazily(original: Callable[[Any], dict[str, Any]]) -> Callable[[Any], Any]:
    """Few policies have conditions on the caller, but its tags were gathered for each request."""
    return lambda credential: _LazyKeys(lambda: original(credential))


def _find_caller(evaluator: Any) -> Callable[..., str]:
    """The caller's ARN alone; ministack gathers all its policies for it, for each request."""
    from ministack.core import responses, router

    def find(headers: Any, query_params: Any = None) -> str:
        account = responses.get_account_id()
        key = router.extract_access_key_id(headers or {}, query_params or {})
        from ministack.services import sts  # not before services may be imported

        session = sts._sessions.get(key)
        if session is not None:  # whether it is valid is checked before anything is answered
            return str(session["Arn"])
        found = evaluator.resolve_credential(key, account) if key else None
        known = isinstance(found, evaluator.ResolvedCredential) and found.principal_arn
        return known or f"arn:aws:iam::{account}:root"

    return find


def _trust_only_callers(original: Callable[..., bool]) -> Callable[..., bool]:
    """A role that trusts a service may not be assumed by the account's administrator for it."""

    def matches(principal: Any, caller_arn: str, federated: bool) -> bool:
        if isinstance(principal, dict):
            principal = {kind: who for kind, who in principal.items() if kind != "Service"}
        return original(principal, caller_arn, federated)

    return matches


def remember_allowed(
    evaluator: Any, check: Callable[..., Any], tell: allowances.Tell
) -> Callable[..., Any]:
    """Ask `check`, unless exactly this was allowed before: then only who calls is checked.

    tell: called for what `check` was not asked; itself it tells of what it allows.
    """
    from ministack.core import responses

    decisions = Decisions(evaluator)

    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Any = None,
    ) -> Any:
        if request_actions.is_refused():
            return evaluator.AuthError("InvalidRequest", "Send all parameters in the form.")
        pinned = evaluator._signed_request.get()
        signed = pinned is not None and pinned.access_key_id == access_key_id
        asked = (access_key_id, iam_action, service, resource_arn)
        question = decisions.ask(*asked) if signed and not pinned.s3_scoped else None
        if decisions.knows(question):
            checked = evaluator.authenticate(access_key_id, responses.get_account_id())
            if isinstance(checked, evaluator.AuthError):
                return checked
            if checked is not None and question is not None:
                for action, resource in decisions.list_asked(question):
                    tell(allowances.Allowance(question[0], action, resource))
                return None
        result = check(access_key_id, iam_action, service, region, resource_arn, service_context)
        if result is None:
            decisions.keep(question)
        return result

    return enforce


def check_keys(
    evaluator: Any, original: Callable[..., Any], denied: Callable[[Denial], None]
) -> Callable[..., Any]:
    """Ask the evaluator, then the keys that encrypt the resources; tell of refusals."""
    from ministack.core import iam_actions

    def check(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Any = None,
    ) -> Any:
        signed = evaluator._signed_request.get()
        for named in request_keys.list_resources(iam_action, resource_arn, signed):
            result = original(access_key_id, iam_action, service, region, named, service_context)
            if result is not None:
                return refuse(result, iam_action, named, named != resource_arn)
        for need in request_keys.list_needs(iam_action, resource_arn, service_context, signed):
            result = _check_key(evaluator, original, access_key_id, iam_action, need, denied)
            if result is not None:
                return result
        return None

    def refuse(result: Any, iam_action: str, resource: str, is_named_here: bool) -> Any:
        if not isinstance(result, evaluator.EvalResult):
            return result
        denied(Denial(result.principal_arn, iam_action, resource))
        if not is_named_here:
            return result
        words = iam_actions.identity_denial_message(
            iam_action, result.principal_arn, resource, result.decision == "Deny"
        )
        return evaluator.AuthError("AccessDeniedException", words)

    return check


def _check_key(
    evaluator: Any,
    enforce: Callable[..., Any],
    access_key_id: str,
    iam_action: str,
    need: keys.KeyNeed,
    denied: Callable[[Denial], None],
) -> Any:
    """The service asks AWS KMS in the caller's name: what encrypts the resource must let it."""
    if need.is_managed:
        return None
    service = iam_action.partition(":")[0]
    for action in need.actions:
        region = need.key.split(":")[3] if need.key.startswith("arn:") else ""
        result = enforce(access_key_id, action, "kms", region, need.key, dict(need.context))
        if isinstance(result, evaluator.EvalResult):
            refused = Denial(result.principal_arn, action, need.key, f"for {iam_action}")
            denied(refused)
            code, message = keys.word_refusal(service, refused)
            return evaluator.AuthError(code, message)
        if result is not None:
            return result
    return None if need.usable else evaluator.AuthError(*keys.word_unusable(service, need))


def _name_resources(actions: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    """A denial names the resource, as AWS's does ("Troubleshoot access denied error messages").

    DynamoDB answers it with status 400 (DynamoDB API Reference, "Common Errors").
    """

    def respond(service: str, action: str, principal_arn: str, request_id: str, **rest: Any) -> Any:
        resource = rest.get("resource_arn", "*")
        by_resource = rest.get("explicit_deny") and rest.get("resource_policy_arn")
        decided = not (rest.get("message") or rest.get("error_code") or by_resource)
        if decided and principal_arn == ANONYMOUS:
            rest["message"] = "Access Denied"
        elif decided and resource.startswith("arn:"):
            named = f'"{resource}"' if service == "s3" else resource
            spelled = action.lower() if service == "sqs" else action
            rest["message"] = actions.identity_denial_message(
                spelled, principal_arn, named, bool(rest.get("explicit_deny"))
            )
        status, headers, body = original(service, action, principal_arn, request_id, **rest)
        if (service, rest.get("error_code") or "") in keys.BAD_REQUESTS:
            status = 400
        return status, headers, body

    return respond
