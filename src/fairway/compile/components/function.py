"""A function: Lambda, a role that holds what its links ask for, a log group, its place."""

from __future__ import annotations

import re
from typing import Any

from fairway.compile.components.network import (
    ANYWHERE,
    NOWHERE,
    joins_network,
    network_of,
    subnet_ids,
    vpc_id,
)
from fairway.compile.components.table import table_arn, table_name
from fairway.compile.draft import Draft, StackDraft, origin_of, to_logical
from fairway.compile.encryption import add_log_group, data_key, log_group_prefix, share_key
from fairway.compile.links import find_access, name_variable
from fairway.compile.placement import name_source
from fairway.compile.template import (
    ArtifactBucket,
    ArtifactKey,
    CodeSource,
    Origin,
    PrefixList,
    allow,
    get_att,
    policy,
    ref,
    sub,
    trust,
)
from fairway.define.spec import Function, Table

_PROPERTIES = {
    "Architectures": "architecture",
    "Environment": "variables",
    "Handler": "handler",
    "MemorySize": "memory",
    "ReservedConcurrentExecutions": "concurrency",
    "Runtime": "runtime",
    "Timeout": "timeout",
}
_ENI_ACTIONS = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
]
_ENI_RESOURCES = ("network-interface", "security-group", "subnet")
# These two take no resource: Service Authorization Reference, "Actions for Amazon EC2".
_ENI_DESCRIBE = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]


def compile_function(name: str, function: Function, draft: Draft) -> None:
    """Write the function, its role and its log group."""
    stem, code, logs = to_logical(name), draft.code_of(name), draft.data_of(name)
    origin = origin_of(name, _PROPERTIES)
    logs_origin = origin_of(name, {"RetentionInDays": "logs"})
    group = add_log_group(
        logs, draft, f"{stem}Logs", name, function.logs, share_key(draft, logs), logs_origin
    )
    variables = dict(function.variables)
    statements = [_write_logs(draft, name), _send_dead_letters(draft, code)]
    for target in sorted(function.uses):
        statements.append(_follow_link(draft, code, target, function.uses[target], variables))
    properties: dict[str, Any] = {
        "Description": f"{name} of {draft.app.prefix}",
        "Handler": function.handler,
        "Runtime": function.runtime,
        "Architectures": [function.architecture],
        "MemorySize": function.memory,
        "Timeout": function.timeout,
        "Role": get_att(f"{stem}Role", "Arn"),
        "Code": _locate_code(draft, code, function),
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": group},
        "DeadLetterConfig": {"TargetArn": _dead_letters(draft, code)},
    }
    fixed = draft.name_function(name)
    if fixed is not None:
        properties["FunctionName"] = fixed
    if function.concurrency is not None:
        properties["ReservedConcurrentExecutions"] = function.concurrency
    if variables:
        properties["Environment"] = {"Variables": variables}
    key = share_key(draft, code)
    if key:
        properties["KmsKeyArn"] = key
        # Tables and variables are read, dead letters are written under the key.
        statements.append(allow(["kms:Decrypt", "kms:GenerateDataKey"], key))
    if joins_network(draft):
        group_id = get_att(_add_security_group(draft, code, stem, function, origin), "GroupId")
        subnets = subnet_ids(draft, "private", code)
        properties["VpcConfig"] = {"SubnetIds": subnets, "SecurityGroupIds": [group_id]}
        statements += _attach_interfaces()
    role = {
        "AssumeRolePolicyDocument": trust("lambda.amazonaws.com"),
        "Policies": [{"PolicyName": "Links", "PolicyDocument": policy(*statements)}],
    }
    code.add(f"{stem}Role", "AWS::IAM::Role", role, origin_of(name, {"Policies": "uses"}))
    code.add(stem, "AWS::Lambda::Function", properties, origin)
    code.give(f"{stem}Function", ref(stem), f"Name of the function {name}")


def function_name(name: str, draft: Draft, taker: StackDraft) -> Any:
    """A function's name, for the stack that needs it."""
    fixed = draft.name_function(name)
    if fixed is not None and draft.code_of(name) is not taker:
        return fixed
    stem, home = to_logical(name), draft.code_of(name)
    return draft.share(home, taker, f"{stem}Function", ref(stem), f"Name of the function {name}")


def function_arn(name: str, draft: Draft, taker: StackDraft) -> Any:
    """A function's ARN, for the stack that needs it."""
    fixed = draft.name_function(name)
    if fixed is not None and draft.code_of(name) is not taker:
        arn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
        return sub(f"{arn}{fixed}")
    stem, home = to_logical(name), draft.code_of(name)
    text = f"ARN of the function {name}"
    return draft.share(home, taker, f"{stem}Arn", get_att(stem, "Arn"), text)


def _locate_code(draft: Draft, code: StackDraft, function: Function) -> dict[str, Any]:
    source = name_source(function)
    draft.sources[source] = CodeSource(
        source, function.source, function.runtime, function.architecture
    )
    parameter = "Code" + re.sub(r"[^A-Za-z0-9]", "", source.title())
    return {
        "S3Bucket": code.take("ArtifactBucket", ArtifactBucket()),
        "S3Key": code.take(parameter, ArtifactKey(source)),
    }


def _write_logs(draft: Draft, name: str) -> dict[str, Any]:
    group = f"{log_group_prefix(draft)}/{name}"
    arn = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    return allow(["logs:CreateLogStream", "logs:PutLogEvents"], sub(f"{arn}{group}:*"))


def _dead_letters(draft: Draft, code: StackDraft) -> dict[str, Any]:
    """The queue of events that no function could handle, one for the application."""
    if "DeadLetters" not in draft.data.resources:
        key = data_key(draft)
        encryption = {"KmsMasterKeyId": key} if key else {"SqsManagedSseEnabled": True}
        draft.data.add(
            "DeadLetters",
            "AWS::SQS::Queue",
            {**encryption, "MessageRetentionPeriod": 14 * 86400},
            Origin("dead-letters", ("components",), {}),
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
        )
    text = "ARN of the queue of undeliverable events"
    arn = get_att("DeadLetters", "Arn")
    return draft.share(draft.data, code, "DeadLettersArn", arn, text)


def _send_dead_letters(draft: Draft, code: StackDraft) -> dict[str, Any]:
    return allow(["sqs:SendMessage"], _dead_letters(draft, code))


def _follow_link(
    draft: Draft, code: StackDraft, target: str, access_name: str, variables: dict[str, str]
) -> dict[str, Any]:
    """The statement that one link gives; its environment variable is added to `variables`."""
    component = draft.app.components[target]
    access = find_access(component, access_name)
    assert access is not None, "check has refused links without a meaning"
    named: Any
    resource: Any
    match component:
        case Table():
            named, arn = table_name(target, draft, code), table_arn(target, draft, code)
            indexes = [sub("${Table}/index/*", Table=arn)] if component.indexes else []
            resource = [arn, *indexes] if indexes else arn
        case _:
            named = function_name(target, draft, code)
            resource = function_arn(target, draft, code)
    variables[name_variable(target, access)] = named
    return allow(list(access.actions), resource)


def _attach_interfaces() -> list[dict[str, Any]]:
    """What Lambda needs to put the function into subnets ("Giving Lambda functions access")."""
    arn = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:"
    resources = [sub(f"{arn}{kind}/*") for kind in _ENI_RESOURCES]
    return [allow(_ENI_ACTIONS, resources), allow(_ENI_DESCRIBE, "*")]


def _add_security_group(
    draft: Draft, code: StackDraft, stem: str, function: Function, origin: Origin
) -> str:
    """The function's group: out only to what its links need, in by others' rules."""
    rules: list[dict[str, Any]] = []
    if function.uses.keys() & draft.app.of_kind(Table).keys():
        prefixes = code.take("TablePrefixList", PrefixList("dynamodb"))
        rules.append(_https_to("tables", DestinationPrefixListId=prefixes))
    if function.uses.keys() & draft.app.of_kind(Function).keys():
        network = network_of(draft)
        known = network is not None and network.existing is None
        rules.append(_https_to("functions", CidrIp=network.cidr if network and known else ANYWHERE))
    return code.add(
        f"{stem}SecurityGroup",
        "AWS::EC2::SecurityGroup",
        {
            "GroupDescription": f"Function {origin.component} of {draft.app.prefix}",
            "VpcId": vpc_id(draft, code),
            "SecurityGroupEgress": rules or [NOWHERE],
        },
        origin,
    )


def _https_to(what: str, **peer: Any) -> dict[str, Any]:
    return {
        "Description": f"To {what} through their endpoint",
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        **peer,
    }
