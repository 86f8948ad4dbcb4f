"""The keys that a request needs: those it names itself, and those of its resource."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fairway.cloud.control import parameters
from fairway.cloud.control.keys import (
    ALGORITHM,
    KEY_ID,
    KeyNeed,
    describe_need,
    find_key,
    read_headers,
)

_S3 = "s3:"
_CUSTOMER = f"{_S3}{ALGORITHM}-customer-algorithm"


def list_needs(
    action: str, resource: str, context: Mapping[str, Any] | None, request: Any
) -> list[KeyNeed]:
    """All that a request needs of keys. context: its condition keys; request: as it was signed."""
    service = action.partition(":")[0]
    if service == "ssm":
        return parameters.list_needs(action, read_document(request))
    if service == "s3":
        if action == "s3:GetObjectVersion":
            return _list_version_needs(resource, request)
        need = _find_object_need(action, resource, context or {}, request)
    else:
        need = find_key(action, resource)
    return [need] if need else []


def list_resources(action: str, resource: str, request: Any) -> list[str]:
    """The resources that a request needs its action on: more than one name may be in it."""
    if not action.startswith("ssm:"):
        return [resource]
    parameters.encrypt_values()
    return parameters.list_resources(action, read_document(request)) or [resource]


def read_document(request: Any) -> dict[str, Any]:
    """The JSON document that a request carries; empty without one."""
    try:
        found = json.loads(request.body) if request is not None and request.body else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _find_object_need(
    action: str, resource: str, context: Mapping[str, Any], request: Any
) -> KeyNeed | None:
    """Headers decide before the bucket's default encryption.

    Pages "Specifying server-side encryption with AWS KMS (SSE-KMS)" and "Multipart
    upload API and permissions". A HEAD reads nothing that is encrypted.
    """
    if request is not None and request.method == "HEAD":
        return None
    if action != "s3:PutObject":
        return find_key(action, resource)
    if request is not None and _continues_upload(request.method, request.query_params):
        # Parts are put under the key that their upload began with, and read again at its end.
        key = read_headers(_read_upload(request.query_params))
        return describe_need("s3", ("kms:Decrypt",), key, resource) if key else None
    algorithm = context.get(f"{_S3}{ALGORITHM}")
    if context.get(_CUSTOMER) or algorithm == "AES256":
        return None
    if not algorithm:
        return find_key(action, resource)
    key = str(context.get(f"{_S3}{KEY_ID}") or "alias/aws/s3")
    return describe_need("s3", ("kms:GenerateDataKey",), key, resource)


def _find_query(query: Mapping[str, Any], name: str) -> str:
    found = query.get(name)
    return str((found[0] if isinstance(found, list) else found) or "")


def _continues_upload(method: str, query: Mapping[str, Any]) -> bool:
    """Whether a request sends a part or ends an upload; else it names one in vain.

    S3 then puts an object, or begins an upload, as if it had not been named.
    """
    ends = method == "POST" and "uploads" not in query
    return "uploadId" in query and (ends or (method != "POST" and "partNumber" in query))


def _list_version_needs(arn: str, request: Any) -> list[KeyNeed]:
    """The key of the version that is read: of each that it may be, where none is known.

    That is so for the source of a copy, whose request is that of its target, and for "null".
    """
    from ministack.services import s3

    if request is not None and request.method == "HEAD":
        return []
    bucket, _, name = arn.split(":", 5)[5].partition("/")
    known: list[dict[str, Any]] = s3._object_versions.get((bucket, name)) or []
    asked = _find_query(request.query_params, "versionId") if request is not None else ""
    found = [each for each in known if each["version_id"] == asked]
    keys = {read_headers(s3._stored_sse_headers(each)) for each in found or known}
    needs = [describe_need("s3", ("kms:Decrypt",), key, arn) for key in sorted(keys) if key]
    if not found:
        need = find_key("s3:GetObject", arn)
        needs += [need] if need and need not in needs else []
    return needs


def patch_object_context() -> None:
    """The condition keys of a write name the key too.

    Page "Actions, resources, and condition keys for Amazon S3".
    """
    from ministack.core import iam_actions, iam_evaluator

    original = iam_actions._s3_object_context

    def describe(
        iam_action: str, query_params: Mapping[str, Any], path: str, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        request = iam_evaluator._signed_request.get()
        continues = _continues_upload(request.method if request else "", query_params)
        if not continues:
            query_params = {k: v for k, v in query_params.items() if k != "uploadId"}
        found: dict[str, Any] = original(iam_action, query_params, path, headers)
        if iam_action == "s3:PutObject" and not continues:
            names = (KEY_ID, f"{ALGORITHM}-customer-algorithm")
            found |= {f"{_S3}{name}": headers[name] for name in names if headers.get(name)}
        return found

    iam_actions._s3_object_context = describe


def _read_upload(query_params: Mapping[str, Any]) -> Mapping[str, str]:
    from ministack.services import s3

    upload = s3._multipart_uploads.get(_find_query(query_params, "uploadId"))
    found: Mapping[str, str] = s3._stored_sse_headers(upload) if upload else {}
    return found


def patch_key_headers() -> None:
    """Without a key "aws:kms" means the account's own, and answers name a key by its ARN.

    Page "PutObject" of the Amazon S3 API reference. ministack refuses the first.
    """
    from ministack.core import responses
    from ministack.services import s3

    original = s3._resolve_sse_write_headers

    def resolve(headers: Mapping[str, str], bucket: str) -> Any:
        if headers.get(ALGORITHM) != "aws:kms":
            return original(headers, bucket)
        from ministack.services import kms  # slow to import, and rarely needed

        where = f"arn:aws:kms:{responses.get_region()}:{responses.get_account_id()}"
        named = headers.get(KEY_ID) or f"{where}:alias/aws/s3"
        known = kms._resolve_key(named)
        return original({**headers, KEY_ID: known["Arn"] if known else named}, bucket)

    s3._resolve_sse_write_headers = resolve
