"""A load balancer: public, logged, with one rule a route and one target group a function."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any

from fairway.compile.artifacts import ACCESS_LOGS, expire_after
from fairway.compile.components.network import ANYWHERE, NOWHERE, joins_network, subnet_ids, vpc_id
from fairway.compile.draft import Draft, origin_of, to_logical
from fairway.compile.template import Origin, get_att, policy, ref, sub
from fairway.define.spec import LoadBalancer
from fairway.define.values import parse_route

# "Quotas for your Application Load Balancers": five condition values a rule.
METHODS_PER_RULE = 4
HIGHEST_PRIORITY = 50_000
# Managed rule against TLS 1.0 and 1.1: "Security policies for your Application Load Balancer".
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


def compile_load_balancer(name: str, balancer: LoadBalancer, draft: Draft) -> None:
    """Write the load balancer, its listeners, rules and target groups."""
    stem = to_logical(name)
    origin = origin_of(name)
    targets = sorted(set(balancer.routes.values()))
    _add_access_logs(draft, name, balancer)
    group = _add_security_group(draft, stem, balancer, targets, origin)
    bucket = draft.share(
        draft.data, draft.code, f"{stem}LogBucket", ref(f"{stem}Logs"), f"Access logs of {name}"
    )
    attributes = {
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": bucket,
        "routing.http.drop_invalid_header_fields.enabled": "true",
    }
    draft.code.add(
        stem,
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        {
            "Type": "application",
            "Scheme": "internet-facing",
            "Subnets": subnet_ids(draft, "public", draft.code),
            "SecurityGroups": [get_att(group, "GroupId")],
            "LoadBalancerAttributes": [{"Key": k, "Value": v} for k, v in attributes.items()],
        },
        origin,
    )
    for target in targets:
        _add_target_group(draft, name, balancer, target)
    listener = _add_listeners(draft, stem, balancer, origin)
    _add_rules(draft, name, balancer, listener)
    scheme = "https" if balancer.certificate else "http"
    url = sub(f"{scheme}://${{{stem}.DNSName}}")
    draft.code.give(f"{stem}Url", url, f"URL of the load balancer {name}")


def _add_access_logs(draft: Draft, name: str, balancer: LoadBalancer) -> None:
    """The bucket of access logs; load balancers can write only with Amazon S3's own keys.

    "Enable access logs for your Application Load Balancer" gives the principal and the path.
    """
    bucket = f"{to_logical(name)}Logs"
    origin = origin_of(name, {"LifecycleConfiguration": "logs"})
    days = max(1, balancer.logs // 86400)
    draft.data.add(
        bucket,
        "AWS::S3::Bucket",
        {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                ]
            },
            "LifecycleConfiguration": expire_after(days),
            "LoggingConfiguration": {
                "DestinationBucketName": draft.data.take("AccessLogsBucket", ACCESS_LOGS),
                "LogFilePrefix": f"{draft.app.prefix}/{name}/",
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "VersioningConfiguration": {"Status": "Enabled"},
        },
        origin,
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Delete",
    )
    _add_log_delivery(draft, bucket, origin)


def _add_log_delivery(draft: Draft, bucket: str, origin: Origin) -> None:
    """Let the load-balancing service write, and nobody in the clear."""
    arn = get_att(bucket, "Arn")
    deliver = {
        "Sid": "Deliver",
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": sub("${Bucket}/AWSLogs/${AWS::AccountId}/*", Bucket=arn),
    }
    encrypted_only = {
        "Sid": "EncryptedTransportOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, sub("${Bucket}/*", Bucket=arn)],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    draft.data.add(
        f"{bucket}Policy",
        "AWS::S3::BucketPolicy",
        {"Bucket": ref(bucket), "PolicyDocument": policy(deliver, encrypted_only)},
        origin,
    )


def _add_security_group(
    draft: Draft, stem: str, balancer: LoadBalancer, targets: list[str], origin: Origin
) -> str:
    """The internet may reach the listeners; the load balancer only its functions."""
    group = f"{stem}SecurityGroup"
    inward = []
    if _listens_plainly(balancer):
        inward.append(_rule("HTTP from the internet", 80, CidrIp=ANYWHERE))
    if balancer.certificate:
        inward.append(_rule("HTTPS from the internet", 443, CidrIp=ANYWHERE))
    function_groups = {
        target: get_att(f"{to_logical(target)}SecurityGroup", "GroupId")
        for target in targets
        if joins_network(draft)
    }
    outward = [
        _rule(f"To {target}", 443, DestinationSecurityGroupId=function_groups[target])
        for target in function_groups
        if draft.code_of(target) is draft.code
    ]
    draft.code.add(
        group,
        "AWS::EC2::SecurityGroup",
        {
            "GroupDescription": f"Load balancer {origin.component} of {draft.app.prefix}",
            "VpcId": vpc_id(draft, draft.code),
            "SecurityGroupIngress": inward,
            "SecurityGroupEgress": outward or [NOWHERE],
        },
        origin,
    )
    for target, function_group in function_groups.items():
        home, to = draft.code_of(target), f"{stem}To{to_logical(target)}"
        text = f"Security group of the load balancer {origin.component}"
        own = draft.share(draft.code, home, f"{stem}GroupId", get_att(group, "GroupId"), text)
        inward_rule = _rule(f"From {origin.component}", 443, SourceSecurityGroupId=own)
        kind = "AWS::EC2::SecurityGroupIngress"
        home.add(to, kind, {"GroupId": function_group, **inward_rule}, origin)
        if home is not draft.code:
            rule = _rule(f"To {target}", 443, DestinationSecurityGroupId=function_group)
            properties = {"GroupId": own, **rule}
            home.add(f"{to}Out", "AWS::EC2::SecurityGroupEgress", properties, origin)
    return group


def _listens_plainly(balancer: LoadBalancer) -> bool:
    """Whether port 80 is open: to answer without a certificate, to redirect with one."""
    return balancer.certificate is None or balancer.redirect_http


def _rule(description: str, port: int, **peer: Any) -> dict[str, Any]:
    return {
        "Description": description,
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        **peer,
    }


def _add_target_group(draft: Draft, name: str, balancer: LoadBalancer, target: str) -> None:
    stem, function = to_logical(name), to_logical(target)
    origin = origin_of(name, {"HealthCheckPath": "health_check"})
    arn = "arn:${AWS::Partition}:elasticloadbalancing:${AWS::Region}:${AWS::AccountId}:"
    home = draft.code_of(target)
    permission = home.add(
        f"{stem}{function}Permission",
        "AWS::Lambda::Permission",
        {
            "Action": "lambda:InvokeFunction",
            "FunctionName": get_att(function, "Arn"),
            "Principal": "elasticloadbalancing.amazonaws.com",
            # The target group can only be made after the permission, so its name is not known.
            "SourceArn": sub(f"{arn}targetgroup/*"),
        },
        origin,
    )
    properties: dict[str, Any] = {
        "TargetType": "lambda",
        "Targets": [{"Id": get_att(function, "Arn")}],
        "HealthCheckEnabled": balancer.health_check is not None,
        "TargetGroupAttributes": [
            {
                "Key": "lambda.multi_value_headers.enabled",
                "Value": str(balancer.multi_value_headers).lower(),
            }
        ],
    }
    if balancer.health_check is not None:
        properties |= {
            "HealthCheckPath": balancer.health_check,
            "HealthCheckIntervalSeconds": 35,
            "HealthCheckTimeoutSeconds": 30,
            "Matcher": {"HttpCode": "200"},
        }
    home.add(
        f"{stem}{function}Targets",
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        properties,
        origin,
        DependsOn=[permission],
    )


def _add_listeners(draft: Draft, stem: str, balancer: LoadBalancer, origin: Origin) -> str:
    """The listener of port 80 and, with a certificate, that of 443; returns the one with rules."""
    not_found = {
        "Type": "fixed-response",
        "FixedResponseConfig": {
            "StatusCode": "404",
            "ContentType": "text/plain",
            "MessageBody": "no route matches",
        },
    }
    to_https = {
        "Type": "redirect",
        "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
    }
    kind = "AWS::ElasticLoadBalancingV2::Listener"
    plain = f"{stem}Listener"
    first = to_https if balancer.certificate else not_found
    properties: dict[str, Any] = {
        "LoadBalancerArn": ref(stem),
        "Port": 80,
        "Protocol": "HTTP",
        "DefaultActions": [first],
    }
    if _listens_plainly(balancer):
        draft.code.add(plain, kind, properties, origin)
    if not balancer.certificate:
        return plain
    secure = {
        "LoadBalancerArn": ref(stem),
        "Port": 443,
        "Protocol": "HTTPS",
        "SslPolicy": TLS_POLICY,
        "Certificates": [{"CertificateArn": balancer.certificate}],
        "DefaultActions": [not_found],
    }
    certified = origin_of(origin.component, {"Certificates": "certificate"})
    return draft.code.add(f"{stem}SecureListener", kind, secure, certified)


def list_rules(balancer: LoadBalancer) -> list[tuple[str, str, list[str]]]:
    """The listener's rules: path, target and methods (none for every method), first match first."""
    methods: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, target in balancer.routes.items():
        method, path = parse_route(key)
        methods[path, target].append(method)
    rules = [
        (path, target, chunk)
        for (path, target), found in sorted(methods.items())
        for chunk in _chunk_methods(found)
    ]
    return sorted(rules, key=lambda rule: _rank(rule[0], bool(rule[2])))


def _add_rules(draft: Draft, name: str, balancer: LoadBalancer, listener: str) -> None:
    stem = to_logical(name)
    keys: dict[tuple[str, str], str] = {}
    for key, target in balancer.routes.items():
        keys.setdefault((parse_route(key)[1], target), key)
    taken: set[int] = set()
    for path, target, chunk in list_rules(balancer):
        priority = _choose_priority(path, target, chunk, taken)
        digest = _hash(f"{path} {target} {' '.join(chunk)}")
        conditions: list[dict[str, Any]] = [
            {"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}}
        ]
        if chunk:
            method_values = {"Values": chunk}
            conditions.append(
                {"Field": "http-request-method", "HttpRequestMethodConfig": method_values}
            )
        home = draft.code_of(target)
        text = f"Listener of the load balancer {name}"
        arn = draft.share(draft.code, home, f"{stem}ListenerArn", ref(listener), text)
        home.add(
            f"{stem}Rule{digest:08x}",
            "AWS::ElasticLoadBalancingV2::ListenerRule",
            {
                "ListenerArn": arn,
                "Priority": priority,
                "Conditions": conditions,
                "Actions": [
                    {
                        "Type": "forward",
                        "TargetGroupArn": ref(f"{stem}{to_logical(target)}Targets"),
                    }
                ],
            },
            origin_of(name, {}, "routes", keys[path, target]),
        )


def _chunk_methods(methods: list[str]) -> list[list[str]]:
    """Methods in groups that one rule can hold; an empty group is every method."""
    if "ANY" in methods:
        named = sorted(set(methods) - {"ANY"})
        return [[], *([named] if named else [])]
    ordered = sorted(methods)
    return [ordered[i : i + METHODS_PER_RULE] for i in range(0, len(ordered), METHODS_PER_RULE)]


def _rank(path: str, has_methods: bool) -> tuple[bool, int, int, bool, str]:
    """What must match first: exact paths, then longer literal prefixes, then named methods.

    Only patterns of which one's literal prefix begins the other's can match the same request,
    and then the longer one has more slashes, or as many and more behind the last.
    """
    literal = path[: min(len(path.split("*")[0]), len(path.split("?")[0]))]
    if literal == path:
        return (False, 0, 0, not has_methods, path)
    return (True, -literal.count("/"), -len(literal.rsplit("/", 1)[-1]), not has_methods, path)


# How the priorities are divided: exact paths with named methods, exact paths with every method,
# then a band for each number of slashes in a pattern's prefix. In a band comes first a strip for
# each length of what follows the last slash, then the usual case, where nothing does.
_EXACT = 6_000
_EXACT_ANY = 4_000
_MOST_SLASHES = 12
_LONGEST_TAIL = 25
_STRIP = 30
_USUAL = 900


def _choose_priority(path: str, target: str, methods: list[str], taken: set[int]) -> int:
    """A priority that does not move when other routes come and go.

    Numbers in a row would have to be shuffled when a route is put between two others, and
    CloudFormation cannot swap priorities. So each rank has a range of its own, and a rule takes
    the slot in its range that its hash names. Only when two hashes meet does one rule give way.
    """
    start, size = _find_range(path, bool(methods))
    slot = _hash(f"{path} {target} {' '.join(methods)}") % size
    while start + slot in taken:
        slot = (slot + 1) % size
    taken.add(start + slot)
    assert start + slot <= HIGHEST_PRIORITY
    return start + slot


def _find_range(path: str, has_methods: bool) -> tuple[int, int]:
    """The first priority of a rule's range, and the size of the range."""
    wild, slashes, tail, any_method, _ = _rank(path, has_methods)
    if not wild:
        return (1 + _EXACT, _EXACT_ANY) if any_method else (1, _EXACT)
    strips = _LONGEST_TAIL * 2 * _STRIP
    band = _MOST_SLASHES - min(-slashes, _MOST_SLASHES)
    start = 1 + _EXACT + _EXACT_ANY + band * (strips + 2 * _USUAL)
    size = _STRIP if tail else _USUAL
    start += (_LONGEST_TAIL - min(-tail, _LONGEST_TAIL)) * 2 * _STRIP
    return start + (size if any_method else 0), size


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
