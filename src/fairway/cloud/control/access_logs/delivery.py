"""Load balancers' access logs and ministack: who may write into a bucket, and writing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairway.cloud.control.access_logs.balancer_files import Place, read_place
from fairway.cloud.control.resources.registry import Extension, Properties

PRINCIPAL = "logdelivery.elasticloadbalancing.amazonaws.com"


def read_attributes(balancer: str) -> dict[str, str]:
    """A load balancer's attributes by its ARN."""
    from ministack.services import alb

    for key, found in list(alb._lb_attrs._data.items()):
        if key[-1] == balancer:
            return _to_dict(found)
    return {}


def _to_dict(attributes: Any) -> dict[str, str]:
    return {str(a["Key"]): str(a["Value"]).strip() for a in attributes or ()}


def refuse_place(place: Place, account: str) -> str | None:
    """Why the bucket does not take access logs, in AWS's words; None when it does."""
    from ministack.services import s3

    owner = _find_owner(place.bucket)
    if not owner:
        return f"S3Bucket: {place.bucket} is not located in the same region with ELB"
    policy = s3._bucket_policies.get_scoped(owner, None, place.bucket)
    if not _may_write(policy, place, account):
        return f"Access Denied for bucket: {place.bucket}. Please check S3bucket permission"
    return None


def _find_owner(bucket: str) -> str:
    from ministack.services import s3

    return next((str(key[0]) for key in list(s3._buckets._data) if key[-1] == bucket), "")


def _may_write(policy: Any, place: Place, account: str) -> bool:
    from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy

    context = EvalContext(
        principal_arn=PRINCIPAL,
        principal_type="Service",
        principal_account=account,
        action="s3:PutObject",
        resource_arn=f"arn:aws:s3:::{place.bucket}/{place.test_file}",
        region=place.balancer.split(":")[3],
        service_context={"aws:sourcearn": place.balancer, "aws:sourceaccount": account},
    )
    decision = evaluate_resource_policy(policy, context, service=PRINCIPAL)
    return str(decision.decision) == "Allow"


def store_log(place: Place, key: str, body: bytes) -> str | None:
    """Implements `balancer_files.Store`: the bucket's policy is asked for every file."""
    from ministack.core import responses
    from ministack.services import s3

    refusal = refuse_place(place, place.balancer.split(":")[4])
    if refusal is not None:
        return refusal
    responses.set_request_account_id(_find_owner(place.bucket))  # of this task alone
    headers = {"content-type": "application/octet-stream"}
    status, _, answer = s3._put_object(place.bucket, key, body, headers)
    return None if status < 300 else f"{status} {answer!r}"


def check_access_logs(balancer: str, attributes: Mapping[str, str]) -> str | None:
    """Try the bucket as AWS does when access logs are turned on; why it is refused, or None."""
    place = read_place(balancer, attributes)
    if place is None:
        return None
    return store_log(place, place.test_file, b"Enable access logs of a load balancer")


def apply_load_balancer(
    arn: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """A stack's load balancer cannot turn on access logs that nobody lets it write."""
    before = _to_dict((old or {}).get("LoadBalancerAttributes"))
    now = _to_dict(props.get("LoadBalancerAttributes"))
    if now == before:
        return
    refusal = check_access_logs(arn, now)
    if refusal is not None:
        raise ValueError(f"{refusal} (Service: ElasticLoadBalancingV2, Status Code: 400)")


EXTENSIONS = {"AWS::ElasticLoadBalancingV2::LoadBalancer": Extension(apply=apply_load_balancer)}


def patch_attributes() -> None:
    """ModifyLoadBalancerAttributes refuses a bucket that does not let access logs in."""
    from ministack.services import alb

    modify = alb._modify_lb_attrs

    def modify_checked(params: Any) -> Any:
        arn = alb._p(params, "LoadBalancerArn")
        number = 1
        before = read_attributes(arn)
        wanted = dict(before)
        while key := alb._p(params, f"Attributes.member.{number}.Key"):
            wanted[key] = alb._p(params, f"Attributes.member.{number}.Value")
            number += 1
        touched = {k for k in wanted if wanted[k] != before.get(k)}
        logs = any(key.startswith("access_logs.") for key in touched)
        refusal = check_access_logs(arn, wanted) if logs else None
        if refusal is not None:
            return alb._error("InvalidConfigurationRequest", refusal)
        return modify(params)

    alb._ACTION_MAP["ModifyLoadBalancerAttributes"] = modify_checked
