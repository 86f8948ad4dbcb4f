"""Functions: the properties that ministack drops, and code that must exist and open."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from ministack.services import iam, lambda_svc, s3

from fairway.cloud.control.resources.registry import Extension, Properties

_CONFIGURATION = {
    "DeadLetterConfig": "DeadLetterConfig",
    "KmsKeyArn": "KMSKeyArn",
}


def check_function(props: Properties) -> None:
    """Refuse a function whose archive is missing or unreadable, in Lambda's words."""
    _check_role(str(props.get("Role")))
    code = props.get("Code") or {}
    bucket, key = code.get("S3Bucket"), code.get("S3Key")
    if code.get("ZipFile") or code.get("ImageUri"):
        return
    if not bucket or not key:
        raise ValueError("Please provide a source for function code.")
    if s3._bucket_owner_account(bucket) is None:
        raise ValueError(_get_object_failed("NoSuchBucket", "The specified bucket does not exist"))
    archive = s3._get_object_data(bucket, key, version_id=code.get("S3ObjectVersion"))
    if archive is None:
        raise ValueError(_get_object_failed("NoSuchKey", "The specified key does not exist."))
    if not zipfile.is_zipfile(io.BytesIO(archive)):
        raise ValueError(
            "Could not unzip uploaded file. Please check your file, then try to upload again. "
            "(Service: Lambda, Status Code: 400)"
        )


def _check_role(arn: str) -> None:
    """The role must exist and trust Lambda."""
    role = iam._roles.get(arn.rsplit("/", 1)[-1])
    if role is None or not _trusts_lambda(role.get("AssumeRolePolicyDocument")):
        raise ValueError(
            "The role defined for the function cannot be assumed by Lambda. "
            "(Service: Lambda, Status Code: 400)"
        )


def _trusts_lambda(document: Any) -> bool:
    policy = json.loads(document) if isinstance(document, str) else document or {}
    statements = policy.get("Statement") or []
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal") or {}
        services = principal.get("Service") if isinstance(principal, dict) else principal
        named = [services] if isinstance(services, str) else services or []
        if statement.get("Effect") == "Allow" and {"lambda.amazonaws.com", "*"} & set(named):
            return True
    return False


def _get_object_failed(code: str, message: str) -> str:
    return (
        f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message} "
        "(Service: Lambda, Status Code: 400)"
    )


def apply_function(
    name: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Reserved concurrency, dead letters, network placement, key and log settings."""
    record = lambda_svc._functions[name]
    reserved = props.get("ReservedConcurrentExecutions")
    record["concurrency"] = None if reserved is None else int(reserved)
    config: dict[str, Any] = record["config"]
    for prop, field in _CONFIGURATION.items():
        if props.get(prop):
            config[field] = props[prop]
        else:
            config.pop(field, None)
    config["VpcConfig"] = lambda_svc._vpc_config_with_id(props.get("VpcConfig"))
    logging = dict(props.get("LoggingConfig") or {})
    logging.setdefault("LogFormat", "Text")
    logging.setdefault("LogGroup", f"/aws/lambda/{name}")
    config["LoggingConfig"] = logging


EXTENSIONS = {"AWS::Lambda::Function": Extension(check=check_function, apply=apply_function)}
