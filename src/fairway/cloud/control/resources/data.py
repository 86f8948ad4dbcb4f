"""Tables and buckets: the properties that ministack's handlers drop."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from ministack.services import dynamodb, s3
from ministack.services.cloudformation import provisioners

from fairway.cloud.control.resources.registry import Extension, Properties, call_api


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


# --- DynamoDB ----------------------------------------------------------------


def apply_table(
    name: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Point-in-time recovery, time to live, encryption and deletion protection."""
    recovery = props.get("PointInTimeRecoverySpecification") or {}
    enabled = _is_true(recovery.get("PointInTimeRecoveryEnabled", False))
    specification = {"PointInTimeRecoveryEnabled": enabled}
    call_api(
        dynamodb._update_continuous_backups(
            {"TableName": name, "PointInTimeRecoverySpecification": specification}
        ),
        "PointInTimeRecoverySpecification",
    )
    expiry = props.get("TimeToLiveSpecification")
    if expiry:
        asked = {
            "Enabled": _is_true(expiry.get("Enabled", True)),
            "AttributeName": expiry.get("AttributeName", ""),
        }
        call_api(
            dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": asked}),
            "TimeToLiveSpecification",
        )
    elif old and old.get("TimeToLiveSpecification"):
        dynamodb._ttl_settings.pop(name, None)
    table = dynamodb._tables[name]
    table["SSEDescription"] = _encryption(props.get("SSESpecification"))
    table["DeletionProtectionEnabled"] = _is_true(props.get("DeletionProtectionEnabled", False))


def _encryption(specification: dict[str, Any] | None) -> Any:
    if not specification:
        return None
    asked: dict[str, Any] = {"Enabled": _is_true(specification.get("SSEEnabled", False))}
    for name in ("SSEType", "KMSMasterKeyId"):
        if specification.get(name):
            asked[name] = specification[name]
    return dynamodb._sse_description_from_spec(asked)


def guard_table(name: str, props: Properties) -> None:
    """A protected table is not deleted."""
    table = dynamodb._tables.get(name)
    if table and table.get("DeletionProtectionEnabled"):
        raise ValueError(
            f"Resource cannot be deleted as it is currently protected against deletion. "
            f"Disable deletion protection first. (Table: {name})"
        )


def check_table(props: Properties) -> None:
    """Refuse a key that has no attribute definition, in DynamoDB's words."""
    defined = {a.get("AttributeName") for a in props.get("AttributeDefinitions") or []}
    keys = {k.get("AttributeName") for k in props.get("KeySchema") or []}
    if not keys:
        raise ValueError("Property KeySchema cannot be empty.")
    missing = sorted(str(key) for key in keys - defined)
    if missing:
        raise ValueError(
            "One or more parameter values were invalid: Some index key attributes are not "
            f"defined in AttributeDefinitions. Keys: [{', '.join(missing)}], "
            f"AttributeDefinitions: [{', '.join(sorted(map(str, defined)))}]"
        )


# --- S3 ----------------------------------------------------------------------


def apply_bucket(
    name: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Encryption, lifecycle, ownership, tags, logging and suspended versioning."""
    _apply_encryption(name, props)
    _apply_lifecycle(name, props)
    _apply_ownership(name, props)
    tags = provisioners._tag_map(props.get("Tags"))
    if tags:
        s3._bucket_tags[name] = tags
    else:
        s3._bucket_tags.pop(name, None)
    if (props.get("VersioningConfiguration") or {}).get("Status") == "Suspended":
        s3._bucket_versioning[name] = "Suspended"


def _apply_encryption(name: str, props: Properties) -> None:
    rules = (props.get("BucketEncryption") or {}).get("ServerSideEncryptionConfiguration") or []
    if not rules:
        s3._delete_bucket_encryption(name)
        return
    root = Element("ServerSideEncryptionConfiguration")
    for rule in rules:
        element = SubElement(root, "Rule")
        default = rule.get("ServerSideEncryptionByDefault") or {}
        if default:
            _children(SubElement(element, "ApplyServerSideEncryptionByDefault"), default)
        if "BucketKeyEnabled" in rule:
            _children(element, {"BucketKeyEnabled": rule["BucketKeyEnabled"]})
    call_api(s3._put_bucket_encryption(name, tostring(root)), "BucketEncryption")


def _apply_lifecycle(name: str, props: Properties) -> None:
    rules = (props.get("LifecycleConfiguration") or {}).get("Rules") or []
    if not rules:
        s3._bucket_lifecycle.pop(name, None)
        return
    root = Element("LifecycleConfiguration")
    for rule in rules:
        _lifecycle_rule(SubElement(root, "Rule"), rule)
    call_api(s3._put_bucket_lifecycle(name, tostring(root)), "LifecycleConfiguration")


def _lifecycle_rule(element: Element, rule: dict[str, Any]) -> None:
    """One rule, from CloudFormation's names to those of PutBucketLifecycleConfiguration."""
    if rule.get("Id"):
        _children(element, {"ID": rule["Id"]})
    SubElement(SubElement(element, "Filter"), "Prefix").text = str(rule.get("Prefix", ""))
    _children(element, {"Status": rule.get("Status", "Enabled")})
    if rule.get("ExpirationInDays"):
        _children(SubElement(element, "Expiration"), {"Days": rule["ExpirationInDays"]})
    for move in rule.get("Transitions") or []:
        _children(
            SubElement(element, "Transition"),
            {"Days": move.get("TransitionInDays", 0), "StorageClass": move["StorageClass"]},
        )
    old = rule.get("NoncurrentVersionExpiration") or {}
    days = old.get("NoncurrentDays") or rule.get("NoncurrentVersionExpirationInDays")
    if days:
        _children(SubElement(element, "NoncurrentVersionExpiration"), {"NoncurrentDays": days})
    abort = rule.get("AbortIncompleteMultipartUpload") or {}
    if abort:
        _children(SubElement(element, "AbortIncompleteMultipartUpload"), abort)


def _apply_ownership(name: str, props: Properties) -> None:
    rules = (props.get("OwnershipControls") or {}).get("Rules") or []
    if not rules:
        return
    root = Element("OwnershipControls")
    for rule in rules:
        _children(SubElement(root, "Rule"), rule)
    call_api(s3._put_bucket_ownership_controls(name, tostring(root)), "OwnershipControls")


def _children(parent: Element, values: dict[str, Any]) -> None:
    for key, value in values.items():
        SubElement(parent, key).text = str(value).lower() if isinstance(value, bool) else str(value)


def guard_bucket(name: str, props: Properties) -> None:
    """A bucket with objects is not deleted."""
    bucket = s3._buckets.get(name)
    if bucket and (bucket["objects"] or s3._bucket_has_versions(name)):
        raise ValueError(
            "The bucket you tried to delete is not empty (Service: S3, Status Code: 409)"
        )


def check_bucket_policy(props: Properties) -> None:
    """A policy needs its bucket."""
    if props.get("Bucket") not in s3._buckets:
        raise ValueError(
            f"The specified bucket does not exist: {props.get('Bucket')} "
            "(Service: S3, Status Code: 404)"
        )


EXTENSIONS = {
    "AWS::DynamoDB::Table": Extension(check=check_table, apply=apply_table, guard=guard_table),
    "AWS::S3::Bucket": Extension(apply=apply_bucket, guard=guard_bucket, tags="Tags"),
    "AWS::S3::BucketPolicy": Extension(check=check_bucket_policy),
}
