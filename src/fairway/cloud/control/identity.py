"""Who calls: the project's administrator, a function in its role, or nobody known.

ministack evaluates policies and checks signatures once it is told to, but takes
well-known keys ("test", any twelve digits) for the account's owner without
looking at the signature. Here the project's own random key is the only
administrator, and each function signs with a session of its own role.
"""

from __future__ import annotations

import json
import re
import secrets
import string
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairway.cloud.control.leading_keys import list_leading_keys
from fairway.cloud.control.settings import CloudSettings

SESSION_SECONDS = 12 * 3600
"""IAM User Guide, "AssumeRole": the longest session of a role is 12 hours."""

RENEW_SECONDS = 3600.0
"""How often sessions in use are renewed; far more often than they expire."""

ANONYMOUS = "anonymous"
"""Stands for the ARN of a caller without credentials."""

_KEY_ALPHABET = string.ascii_uppercase + string.digits
_ASSUMED = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/(.+)")


@dataclass(frozen=True, slots=True)
class Denial:
    """One call that a policy refused. principal, resource: ARNs; action: "dynamodb:PutItem"."""

    principal: str
    action: str
    resource: str


class Sessions:
    """Temporary credentials of functions' roles, one session per function and role.

    store: ministack's table of STS sessions by access key id. find_role_id: the
    unique id of a role by its ARN.
    """

    def __init__(
        self,
        store: dict[str, dict[str, Any]],
        find_role_id: Callable[[str], str],
        clock: Callable[[], float] = time.time,
        make_token: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self._store = store
        self._find_role_id = find_role_id
        self._clock = clock
        self._make_token = make_token
        self._keys: dict[tuple[str, str], str] = {}

    def issue(self, role: str, function: str) -> Mapping[str, str]:
        """The environment variables that let a worker of this function sign as its role."""
        key = self._keys.get((role, function))
        session = self._store.get(key) if key else None
        if key is None or session is None:
            key, session = self._open(role, function)
        session["Expiration"] = self._clock() + SESSION_SECONDS
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
        }

    def _open(self, role: str, function: str) -> tuple[str, dict[str, Any]]:
        account = role.split(":")[4]
        name = role.rsplit("/", 1)[-1]
        key = "ASIA" + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))
        session = {
            "AccountId": account,
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{function}",
            "IssuedAt": self._clock(),
            "PrincipalType": "AssumedRole",
            "SecretAccessKey": self._make_token(30),
            "SessionToken": self._make_token(120),
            "UserId": f"{self._find_role_id(role)}:{function}",
        }
        self._store[key] = session
        self._keys[(role, function)] = key
        return key, session

    def keep(self, used: set[tuple[str, str]]) -> None:
        """Renew the sessions of these roles and functions, and end all others."""
        for owner, key in list(self._keys.items()):
            session = self._store.get(key)
            if owner in used and session is not None:
                session["Expiration"] = self._clock() + SESSION_SECONDS
            else:
                self._store.pop(key, None)
                del self._keys[owner]


def open_sessions() -> Sessions:
    """Sessions that ministack's evaluator knows."""
    from ministack.services import sts

    return Sessions(sts._sessions, sts._role_id)


def guard_identity(settings: CloudSettings, denied: Callable[[Denial], None]) -> None:
    """Make ministack know the administrator and nobody else. Call before services are imported.

    denied: called on the event loop for each refusal that a policy decided.
    """
    from ministack.core import iam_actions, iam_evaluator

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
    iam_evaluator.enforce = _tell_denials(iam_evaluator, iam_evaluator.enforce, denied)
    iam_evaluator.pin_signed_body = _keep_body(iam_evaluator)
    iam_actions.json = _ParseOnce()
    iam_actions.dynamodb_service_context = _add_leading_keys(iam_actions.dynamodb_service_context)
    iam_actions.access_denied_response = _name_resources(
        iam_actions, iam_actions.access_denied_response
    )


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


def _tell_denials(
    evaluator: Any, original: Callable[..., Any], denied: Callable[[Denial], None]
) -> Callable[..., Any]:
    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Any = None,
    ) -> Any:
        result = original(access_key_id, iam_action, service, region, resource_arn, service_context)
        if result is not None and isinstance(result, evaluator.EvalResult):
            denied(Denial(result.principal_arn, iam_action, resource_arn))
        return result

    return enforce


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
        if service == "dynamodb" and not rest.get("error_code"):
            status = 400
        return status, headers, body

    return respond


# --- what to write into fairway.yml -------------------------------------------

_READS = re.compile(r":(?:BatchGet|ConditionCheck|Describe|Get|List|Query|Scan)")


def word_denial(denial: Denial, find_component: Callable[[str, str], str | None]) -> str | None:
    """A refusal of a function's call as a sentence that says what to write; None for other callers.

    find_component(kind, name or ARN) answers the Component tag: kind is "function"
    or "resource".
    """
    caller = _ASSUMED.fullmatch(denial.principal)
    if caller is None:
        return None
    function = caller.group(3)
    component = find_component("function", function) or function
    refused = f"{component} was denied {denial.action} on {denial.resource}"
    target = find_component("resource", denial.resource)
    if target is None:
        return f"{refused}: its role does not allow it."
    access = suggest_access(denial.action)
    return (
        f"{refused}: component {component} lacks access to component {target}; "
        f"add `{target}: {access}` to the `uses` of {component} in fairway.yml."
    )


def suggest_access(action: str) -> str:
    """The access of a link that grants this action, as docs/reference/links.md names it."""
    service = action.partition(":")[0]
    if service == "lambda":
        return "invoke"
    if service in ("dynamodb", "s3"):
        return "read" if _READS.search(action) else "read-write"
    return "send" if service in ("sqs", "sns") else "read-write"


def find_component_tag(kind: str, name: str) -> str | None:
    """The Component tag of a function by name, or of a resource by ARN."""
    from ministack.services import lambda_svc, tagging

    if kind == "function":
        record = lambda_svc._functions.get(name) or {}
        tags = record.get("tags") or {}
    else:
        arn = re.sub(r"(:table/[^/]+)/.*", r"\1", name)
        arn = re.sub(r"(:s3:::[^/]+)/.*", r"\1", arn)
        tags = tagging.resource_tags(arn) or {}
    found = tags.get("Component")
    return str(found) if found else None
