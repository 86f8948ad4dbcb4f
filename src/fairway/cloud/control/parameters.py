"""Parameter Store: whose parameters a request names, and the keys that encrypt their values.

ministack knows the resource of requests for one parameter only, asks no key, and
answers an encrypted value as its text in base64. Page "How AWS Systems Manager
Parameter Store uses AWS KMS".
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from typing import Any

from fairway.cloud.control.keys import KeyNeed, describe_need

Request = Mapping[str, Any]

MANAGED = "alias/aws/ssm"
"""The key of the account that Parameter Store takes when a request names none."""

_STANDARD = 4096  # bytes that a standard parameter has at most: "Managing parameter tiers"
_OVERHEAD = 84
"""Bytes that ministack's ciphertexts have beside the text."""

_SEVERAL = frozenset({"ssm:DeleteParameters", "ssm:GetParameters"})
_NAMED = frozenset(
    {
        "ssm:DeleteParameter",
        "ssm:GetParameter",
        "ssm:GetParameterHistory",
        "ssm:LabelParameterVersion",
    }
)
_READS = frozenset(
    {"ssm:GetParameter", "ssm:GetParameterHistory", "ssm:GetParameters", "ssm:GetParametersByPath"}
)


def list_resources(action: str, request: Request) -> list[str]:
    """The ARNs that a request needs its action on; empty where ministack knows it.

    Page "Restricting access to Parameter Store parameters using IAM policies".
    """
    if action in _SEVERAL:
        return [_name_resource(str(name)) for name in request.get("Names") or ()]
    if action in _NAMED and request.get("Name"):
        return [_name_resource(str(request["Name"]))]
    if action == "ssm:GetParametersByPath":  # without a path it answers everything
        return [_name_resource(str(request.get("Path") or "/"))]
    return []


def list_needs(action: str, request: Request) -> list[KeyNeed]:
    """The keys that a request on encrypted parameters needs, each parameter's."""
    if action == "ssm:PutParameter":
        return _list_write_needs(request)
    if action not in _READS or not request.get("WithDecryption"):
        return []
    asked = {
        (str(found.get("KeyId") or MANAGED), str(found.get("ARN") or ""))
        for found in _find_parameters(action, request)
        if found.get("Type") == "SecureString"
    }
    return [describe_need("ssm", ("kms:Decrypt",), key, arn) for key, arn in sorted(asked)]


def _list_write_needs(request: Request) -> list[KeyNeed]:
    """A standard value is encrypted with the key itself, an advanced one with a data key."""
    from ministack.services import ssm

    name = str(request.get("Name") or "")
    known = ssm._parameters.get(name) or {}
    if (request.get("Type") or known.get("Type")) != "SecureString":
        return []
    value = str(request.get("Value") or "")
    tier = request.get("Tier") or ssm._default_tier(request, value, known)
    if tier == "Intelligent-Tiering" and (
        len(value.encode()) > _STANDARD or request.get("Policies")
    ):
        tier = "Advanced"
    wanted = "kms:GenerateDataKey" if tier == "Advanced" else "kms:Encrypt"
    key = str(request.get("KeyId") or MANAGED)
    return [describe_need("ssm", (wanted,), key, _name_resource(name))]


def _find_parameters(action: str, request: Request) -> list[Request]:
    """The parameters, or versions of them, that a reading request answers."""
    from ministack.services import ssm

    if action == "ssm:GetParametersByPath":
        start = str(request.get("Path") or "/").rstrip("/") + "/"
        deep = bool(request.get("Recursive"))
        found = [
            record
            for name, record in sorted(ssm._parameters.items())
            if name.startswith(start) and (deep or "/" not in name[len(start) :])
        ]
        token = request.get("NextToken")
        first = ssm._decode_next_token(token) if token else 0
        return found[first : first + int(request.get("MaxResults") or ssm.DEFAULT_PAGE_SIZE)]
    if action == "ssm:GetParameterHistory":
        name = str(request.get("Name") or "")
        arn = ssm._param_arn(name)
        return [{**entry, "ARN": arn} for entry in ssm._parameter_history.get(name) or ()]
    names = request.get("Names") if action in _SEVERAL else [request.get("Name")]
    selected = (ssm._select_parameter(name)[0] for name in names or () if name)
    return [record for record in selected if record]


def _name_resource(name: str) -> str:
    """The ARN of a parameter or path, by its name or ARN; a version or label is no part of it."""
    from ministack.services import ssm

    plain = str(ssm._split_selector(name)[0])
    return plain if plain.startswith("arn:") else str(ssm._param_arn(plain))


def encrypt_values() -> None:
    """Keep what an encrypted parameter answers without decryption: the key's own ciphertext.

    AWS KMS decrypts it for whoever may use the key and names the parameter's ARN as
    the encryption context. Nobody may use the managed key except through Parameter
    Store, so what it encrypted tells nothing but the length. Call as often as you like.
    """
    from ministack.services import ssm

    original = ssm._put_parameter
    if getattr(original, "encrypts", False):
        return

    def put_parameter(data: Request) -> Any:
        name = str(data.get("Name") or "")
        known = ssm._parameters.get(name) or {}
        if (data.get("Type") or known.get("Type")) != "SecureString":
            return original(data)
        value, refusal = _encrypt(data, str(known.get("ARN") or ssm._param_arn(name)))
        if refusal:
            return ssm.error_response_json("InvalidKeyId", refusal, 400)
        answer = original(data)
        if answer[0] == 200:
            ssm._parameter_history[name][-1]["Value"] = value
            ssm._parameters[name] = {**ssm._parameters[name], "Value": value}
        return answer

    put_parameter.encrypts = True  # type: ignore[attr-defined]
    ssm._put_parameter = put_parameter


def _encrypt(data: Request, arn: str) -> tuple[str, str]:
    """The ciphertext of a new value, or why the key cannot make it."""
    from ministack.services import kms

    plain = str(data.get("Value") or "").encode()
    key = str(data.get("KeyId") or MANAGED)
    if key.endswith(MANAGED):
        return base64.b64encode(os.urandom(len(plain) + _OVERHEAD)).decode(), ""
    asked = {
        "KeyId": key,
        "Plaintext": base64.b64encode(plain).decode(),
        "EncryptionContext": {"PARAMETER_ARN": arn},
    }
    status, _, body = kms._encrypt(asked)
    told = json.loads(body)
    return (str(told["CiphertextBlob"]), "") if status == 200 else ("", str(told["message"]))
