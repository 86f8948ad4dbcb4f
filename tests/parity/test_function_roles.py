"""What is done on a function's behalf, and what services do: allowed, or refused as on AWS.

Event sources and destinations need the function's role, deliveries the receiver's
policy, and encrypted resources their key.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.templates import function, role, template
from tests.parity.test_function_events import Wires, recording
from tests.parity.test_identity import PROBE
from tests.waiting import wait_for

from fairway.cloud.launch import read_status

pytestmark = pytest.mark.slow

REGION = "arn:aws:{}:eu-west-1:000000000000:{}"
SOURCES = "Creating and configuring an Amazon SQS event source mapping"
RECORDS = "Capturing records of Lambda asynchronous invocations"
STREAM_CALLS = ("GetRecords", "GetShardIterator", "DescribeStream", "ListStreams")
READ = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


class Roles(Wires):
    """Functions whose role may do what the test says."""

    def allow(self, *actions: str, on: str = "*") -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": on}
        document = {"Version": "2012-10-17", "Statement": [statement] if actions else []}
        if not actions:
            document["Statement"] = [{**statement, "Action": "iam:ListUsers"}]
        self.cloud.client("iam").put_role_policy(
            RoleName=self.role, PolicyName="wires", PolicyDocument=json.dumps(document)
        )

    def notices(self) -> list[dict[str, Any]]:
        return list(read_status(self.cloud.info)["notices"])

    def wait_notice(self, *parts: str) -> dict[str, Any]:
        def ask() -> list[dict[str, Any]]:
            return [n for n in self.notices() if all(part in n["text"] for part in parts)]

        found: list[dict[str, Any]] = wait_for(ask, f"no notice of {parts}")
        return found[0]

    def arn(self, name: str) -> str:
        return REGION.format("lambda", f"function:{name}")

    def let(self, name: str, service: str, source: str) -> None:
        """Let a service invoke a function for one source."""
        self.client.add_permission(
            FunctionName=name,
            StatementId=f"s{uuid.uuid4().hex[:8]}",
            Action="lambda:InvokeFunction",
            Principal=service,
            SourceArn=source,
            SourceAccount="000000000000",
        )

    def let_send(self, url: str, arn: str, service: str, source: str) -> None:
        """Let a service send to a queue for one source."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": source}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


@pytest.fixture
def roles(cloud: Cloud) -> Iterator[Roles]:
    made = Roles(cloud)
    made.allow()
    yield made
    made.close()


def refused(call: Callable[[], Any]) -> dict[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return dict(caught.value.response["Error"])


# --- event sources ----------------------------------------------------------------


@holds("Lambda", SOURCES, "A mapping on a queue that the role may not read is refused")
@pytest.mark.parametrize("missing", READ)
def test_a_mapping_needs_the_role(roles: Roles, missing: str) -> None:
    _, arn = roles.make_queue()
    name = roles.make(recording("pass"))
    roles.allow(*(action for action in READ if action != missing))
    error = refused(lambda: roles.map_queue(name, arn))
    call = missing.partition(":")[2]
    assert error == {
        "Code": "InvalidParameterValueException",
        "Message": f"The function execution role does not have permissions to call {call} on SQS",
    }
    roles.allow(*READ, on=arn)
    roles.map_queue(name, arn)


@holds("Lambda", SOURCES, "A template's mapping on a queue that the role may not read fails")
def test_a_declared_mapping_needs_the_role(cloud: Cloud, stack: str) -> None:
    resources = {
        "Role": role(),
        "F": function(BUCKET, cloud.upload(recording("pass"))),
        "Jobs": {"Type": "AWS::SQS::Queue"},
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": "F"},
                "EventSourceArn": {"Fn::GetAtt": ["Jobs", "Arn"]},
            },
        },
    }
    assert cloud.deploy(stack, template(resources)) == "ROLLBACK_COMPLETE"
    assert any(
        "does not have permissions to call ReceiveMessage on SQS" in why
        for why in cloud.failures(stack)
    )


@holds(
    "Lambda",
    "Process DynamoDB records with Lambda",
    "A mapping on a stream that the role may not read is refused",
)
def test_a_stream_needs_the_role(roles: Roles) -> None:
    _, arn = roles.make_streaming_table("KEYS_ONLY")
    name = roles.make(recording("pass"))
    error = refused(lambda: roles.map_queue(name, arn, StartingPosition="LATEST"))
    assert error["Code"] == "InvalidParameterValueException"
    assert error["Message"] == (
        f"Cannot access stream {arn}. Please ensure the role can perform the GetRecords, "
        "GetShardIterator, DescribeStream, and ListStreams Actions on your stream in DynamoDB."
    )


@holds(
    "Lambda", SOURCES, "A role that loses its permission stops the polling, and the mapping says so"
)
def test_a_lost_permission_stops_the_polling(roles: Roles) -> None:
    url, arn = roles.make_queue()
    name = roles.make(recording("pass"))
    roles.allow(*READ)
    uuid_ = roles.map_queue(name, arn)
    roles.send(url, "one")
    wait_for(lambda: len(roles.seen(name)) == 1, "the first message was not processed")
    roles.allow("sqs:DeleteMessage", "sqs:GetQueueAttributes")
    roles.send(url, "two")

    def ask() -> bool:
        mapping = roles.client.get_event_source_mapping(UUID=uuid_)
        return "call ReceiveMessage on SQS" in str(mapping["LastProcessingResult"])

    wait_for(ask, "the mapping does not say why it stands still")
    roles.wait_notice(name, "was denied sqs:ReceiveMessage", arn, "to read its event source")
    assert len(roles.seen(name)) == 1
    roles.allow(*READ)
    wait_for(lambda: len(roles.seen(name)) == 2, "the second message was not processed")


@holds(
    "Lambda",
    "Process DynamoDB records with Lambda",
    "A role that loses its permission stops the reading of a stream, which goes on where it was",
)
def test_a_stream_stands_still_while_the_role_may_not_read_it(roles: Roles) -> None:
    reads = [f"dynamodb:{call}" for call in STREAM_CALLS]
    table, arn = roles.make_streaming_table("KEYS_ONLY")
    name = roles.make(recording("pass"))
    roles.allow(*reads)
    uuid_ = roles.map_queue(name, arn, StartingPosition="TRIM_HORIZON")
    rows = roles.cloud.client("dynamodb")
    rows.put_item(TableName=table, Item={"id": {"S": "one"}})
    wait_for(lambda: len(roles.seen(name)) == 1, "the first record was not processed")
    roles.allow(*reads[1:])
    rows.put_item(TableName=table, Item={"id": {"S": "two"}})

    def ask() -> bool:
        mapping = roles.client.get_event_source_mapping(UUID=uuid_)
        return f"Cannot access stream {arn}" in str(mapping["LastProcessingResult"])

    wait_for(ask, "the mapping does not say why it stands still")
    roles.wait_notice(name, "was denied dynamodb:GetRecords", arn, "to read its event source")
    assert len(roles.seen(name)) == 1
    roles.allow(*reads)
    wait_for(lambda: len(roles.seen(name)) == 2, "the second record was not processed")


# --- destinations -----------------------------------------------------------------


@holds("Lambda", RECORDS, "A destination that the role may not write to is refused")
@pytest.mark.parametrize(
    ("target", "call"),
    [
        (REGION.format("sqs", "q-none"), "SendMessage"),
        (REGION.format("sns", "t-none"), "Publish"),
        (REGION.format("events", "event-bus/default"), "PutEvents"),
    ],
)
def test_a_destination_needs_the_role(roles: Roles, target: str, call: str) -> None:
    name = roles.make(recording("pass"))

    def put() -> Any:
        return roles.client.put_function_event_invoke_config(
            FunctionName=name, DestinationConfig={"OnFailure": {"Destination": target}}
        )

    error = refused(put)
    assert error["Code"] == "InvalidParameterValueException"
    assert f"does not have permissions to call {call} on {target}" in error["Message"]


@holds(
    "Lambda",
    "Adding a dead-letter queue",
    "A dead-letter queue that the role may not use is refused",
)
def test_dead_letters_need_the_role(roles: Roles) -> None:
    _, arn = roles.make_queue()
    error = refused(lambda: roles.make(recording("pass"), DeadLetterConfig={"TargetArn": arn}))
    assert error == {
        "Code": "InvalidParameterValueException",
        "Message": "The provided execution role does not have permissions "
        "to call SendMessage on SQS",
    }
    roles.allow("sqs:SendMessage", on=arn)
    name = roles.make(recording("raise ValueError('no')"), DeadLetterConfig={"TargetArn": arn})
    roles.allow()
    roles.submit(name, {"n": 1})
    roles.wait_notice(name, "was denied sqs:SendMessage", arn, "to hand on an event")


# --- deliveries of services -------------------------------------------------------

BASED = "Using resource-based policies for Lambda"


@holds("Lambda", BASED, "A topic invokes a function only with a permission for its ARN")
def test_a_topic_needs_a_permission(roles: Roles) -> None:
    sns = roles.cloud.client("sns")
    topic = sns.create_topic(Name=f"t{uuid.uuid4().hex[:8]}")["TopicArn"]
    name = roles.make(recording("pass"))
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=roles.arn(name))
    roles.let(name, "sns.amazonaws.com", f"{topic}-another")
    sns.publish(TopicArn=topic, Message="lost")
    roles.wait_notice(topic, name, "AWS::Lambda::Permission", "sns.amazonaws.com")
    roles.let(name, "sns.amazonaws.com", topic)
    sns.publish(TopicArn=topic, Message="kept")
    ((_, event),) = wait_for(lambda: roles.seen(name), "nothing was delivered")
    assert event["Records"][0]["Sns"]["Message"] == "kept"


@holds(
    "S3",
    "Granting permissions to publish event notification messages to a destination",
    "A notification to a function is refused without the function's permission",
)
def test_a_bucket_needs_a_permission(roles: Roles) -> None:
    s3, bucket = roles.cloud.client("s3"), roles.cloud.make_bucket(f"b{uuid.uuid4().hex[:8]}")
    name = roles.make(recording("pass"))
    notify = {"LambdaFunctionArn": roles.arn(name), "Events": ["s3:ObjectCreated:*"]}

    def put() -> Any:
        return s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [notify]}
        )

    error = refused(put)
    assert error["Code"] == "InvalidArgument"
    assert error["Message"].startswith(
        "Unable to validate the following destination configurations"
    )
    roles.let(name, "s3.amazonaws.com", f"arn:aws:s3:::{bucket}")
    put()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    wait_for(lambda: roles.seen(name), "nothing was delivered")


@holds(
    "EventBridge",
    "Using resource-based policies for Amazon EventBridge",
    "A rule reaches a function and a queue only where their policies name the rule",
)
def test_a_rule_needs_policies(roles: Roles) -> None:
    events, rule = roles.cloud.client("events"), f"r{uuid.uuid4().hex[:8]}"
    url, queue = roles.make_queue()
    name = roles.make(recording("pass"))
    arn = events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}))["RuleArn"]
    targets = [{"Id": "f", "Arn": roles.arn(name)}, {"Id": "q", "Arn": queue}]
    events.put_targets(Rule=rule, Targets=targets)
    entry = {"Source": rule, "DetailType": "t"}
    events.put_events(Entries=[{**entry, "Detail": '{"n": 1}'}])
    roles.wait_notice(arn, name, "AWS::Lambda::Permission", "events.amazonaws.com")
    roles.wait_notice(arn, queue, "the policy of the receiver", "sqs:SendMessage")
    roles.let(name, "events.amazonaws.com", arn)
    roles.let_send(url, queue, "events.amazonaws.com", arn)
    events.put_events(Entries=[{**entry, "Detail": '{"n": 2}'}])
    ((_, event),) = wait_for(lambda: roles.seen(name), "nothing reached the function")
    assert event["detail"] == {"n": 2}
    assert json.loads(roles.receive(url)["Body"])["detail"] == {"n": 2}
    events.remove_targets(Rule=rule, Ids=["f", "q"])


@holds(
    "SNS",
    "Fanout to Amazon SQS queues",
    "A topic reaches a queue only where the queue's policy lets it, and the refusal is told",
)
def test_a_topic_needs_the_queues_policy(roles: Roles) -> None:
    sns = roles.cloud.client("sns")
    topic = sns.create_topic(Name=f"t{uuid.uuid4().hex[:8]}")["TopicArn"]
    url, queue = roles.make_queue()
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    sns.publish(TopicArn=topic, Message="lost")
    roles.wait_notice(topic, queue, "the policy of the receiver")
    roles.let_send(url, queue, "sns.amazonaws.com", topic)
    sns.publish(TopicArn=topic, Message="kept")
    assert json.loads(roles.receive(url)["Body"])["Message"] == "kept"


@holds(
    "CloudWatch Logs",
    "Log group-level subscription filters",
    "A filter to a function is refused without the function's permission",
)
def test_a_log_group_needs_a_permission(roles: Roles) -> None:
    logs, group = roles.cloud.client("logs"), f"/g/{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=group)
    name = roles.make(recording("pass"))

    def put() -> Any:
        return logs.put_subscription_filter(
            logGroupName=group,
            filterName="all",
            filterPattern="",
            destinationArn=roles.arn(name),
        )

    error = refused(put)
    assert error["Code"] == "InvalidParameterException"
    assert error["Message"].startswith("Could not execute the lambda function.")
    roles.let(name, "logs.amazonaws.com", REGION.format("logs", f"log-group:{group}:*"))
    put()
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    event = {"timestamp": 1, "message": "line"}
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=[event])
    wait_for(lambda: roles.seen(name), "nothing was delivered")


# --- keys -------------------------------------------------------------------------

ROOT = {"AWS": "arn:aws:iam::000000000000:root"}


def make_key(cloud: Cloud, *statements: dict[str, Any]) -> str:
    """A key whose policy has the account's administration and these statements; its ARN."""
    own = {"Effect": "Allow", "Principal": ROOT, "Action": "kms:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [own, *statements]}
    made = cloud.client("kms").create_key(Policy=json.dumps(policy))
    return str(made["KeyMetadata"]["Arn"])


class Sealed:
    """One resource of each kind under a customer's key, and a function that uses them."""

    def __init__(self, roles: Roles, key: str) -> None:
        self.roles, self.key, cloud = roles, key, roles.cloud
        word = uuid.uuid4().hex[:8]
        cloud.client("dynamodb").create_table(
            TableName=word,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
        )
        s3 = cloud.client("s3")
        cloud.make_bucket(word)
        rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        s3.put_bucket_encryption(
            Bucket=word,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": rule}]
            },
        )
        s3.put_object(Bucket=word, Key="k", Body=b"x")
        self.url, self.queue = roles.make_queue(KmsMasterKeyId=key)
        topic = cloud.client("sns").create_topic(Name=word, Attributes={"KmsMasterKeyId": key})
        secret = cloud.client("secretsmanager").create_secret(
            Name=word, SecretString="s", KmsKeyId=key
        )
        self.topic = topic["TopicArn"]
        row = {"TableName": word, "Item": {"id": {"S": "a"}}}
        message = {"QueueUrl": self.url, "MessageBody": "x"}
        thing = {"Bucket": word, "Key": "k"}
        self.calls: dict[str, tuple[str, str, dict[str, Any]]] = {
            "row": ("dynamodb", "put_item", row),
            "message": ("sqs", "send_message", message),
            "receive": ("sqs", "receive_message", {"QueueUrl": self.url}),
            "publish": ("sns", "publish", {"TopicArn": self.topic, "Message": "x"}),
            "read": ("s3", "get_object", thing),
            "write": ("s3", "put_object", {**thing, "Body": "y"}),
            "secret": ("secretsmanager", "get_secret_value", {"SecretId": secret["ARN"]}),
        }
        self.name = roles.make(PROBE, MemorySize=256)

    def call(self, what: str) -> dict[str, Any]:
        service, call, arguments = self.calls[what]
        event = {"service": service, "call": call, "with": arguments}
        return dict(self.roles.invoke(self.name, event))


USE = ("dynamodb:*", "s3:*", "secretsmanager:*", "sns:*", "sqs:*")
ENCRYPTED = [
    pytest.param(
        what, code, action, id=what,
        marks=holds("KMS", page, claim),
    )
    for what, code, action, page, claim in [
        ("row", "AccessDeniedException", "kms:Decrypt", "DynamoDB encryption at rest: usage notes",
         "a row under a customer's key needs kms:Decrypt of the caller"),
        ("message", "KMS.AccessDeniedException", "kms:GenerateDataKey", "Key management",
         "sending to a queue under a customer's key needs kms:GenerateDataKey of the caller"),
        ("receive", "KMS.AccessDeniedException", "kms:Decrypt", "Key management",
         "receiving from a queue under a customer's key needs kms:Decrypt of the caller"),
        ("publish", "KMSAccessDenied", "kms:GenerateDataKey",
         "Managing Amazon SNS encryption keys and costs",
         "publishing to a topic under a customer's key needs kms:GenerateDataKey of the caller"),
        ("read", "AccessDenied", "kms:Decrypt", "Using server-side encryption with AWS KMS keys",
         "reading an object under a customer's key needs kms:Decrypt of the caller"),
        ("write", "AccessDenied", "kms:GenerateDataKey",
         "Using server-side encryption with AWS KMS keys",
         "writing an object under a customer's key needs kms:GenerateDataKey of the caller"),
        ("secret", "AccessDeniedException", "kms:Decrypt",
         "Secret encryption and decryption in AWS Secrets Manager",
         "reading a secret under a customer's key needs kms:Decrypt of the caller"),
    ]
]  # fmt: skip


@pytest.fixture(scope="module")
def sealed(cloud: Cloud) -> Iterator[Sealed]:
    roles = Roles(cloud)
    yield Sealed(roles, make_key(cloud))
    roles.close()


@pytest.mark.parametrize(("what", "code", "action"), ENCRYPTED)
def test_a_key_is_asked_in_the_callers_name(
    sealed: Sealed, what: str, code: str, action: str
) -> None:
    sealed.roles.allow(*USE)
    answer = sealed.call(what)
    assert answer["Code"] == code
    assert what == "secret" or f"not authorized to perform: {action}" in answer["Message"]
    assert answer["Status"] == (403 if service_of(sealed, what) == "s3" else 400)
    sealed.roles.wait_notice(sealed.name, f"was denied {action} on {sealed.key}")
    sealed.roles.allow(*USE, "kms:Decrypt", "kms:GenerateDataKey")
    assert sealed.call(what) == {"Code": "OK"}


def service_of(sealed: Sealed, what: str) -> str:
    return sealed.calls[what][0]


@holds(
    "KMS",
    "kms:ViaService",
    "a key policy may let in a caller through one service only, without the role's own statement",
)
def test_a_key_policy_may_name_the_service(roles: Roles) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": roles.role_arn},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "*",
        "Condition": {"StringEquals": {"kms:ViaService": "sqs.eu-west-1.amazonaws.com"}},
    }
    sealed = Sealed(roles, make_key(roles.cloud, statement))
    roles.allow(*USE)
    assert sealed.call("message") == {"Code": "OK"}
    assert sealed.call("row")["Code"] == "AccessDeniedException"


@holds(
    "Lambda",
    SOURCES,
    "A mapping on a queue under a customer's key needs kms:Decrypt of the role",
)
def test_a_mapping_needs_the_key(roles: Roles) -> None:
    _, arn = roles.make_queue(KmsMasterKeyId=make_key(roles.cloud))
    name = roles.make(recording("pass"))
    roles.allow(*READ)
    error = refused(lambda: roles.map_queue(name, arn))
    assert error["Message"].endswith("does not have permissions to call Decrypt on KMS")
    roles.allow(*READ, "kms:Decrypt")
    roles.map_queue(name, arn)


@holds(
    "SNS",
    "Fanout to Amazon SQS queues",
    "A topic reaches a queue under a customer's key only where the key's policy lets the service",
)
def test_a_topic_needs_the_queues_key(roles: Roles) -> None:
    sns = roles.cloud.client("sns")
    topic = sns.create_topic(Name=f"t{uuid.uuid4().hex[:8]}")["TopicArn"]
    service = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
        "Resource": "*",
    }
    shut, open_ = make_key(roles.cloud), make_key(roles.cloud, service)
    url, queue = roles.make_queue(KmsMasterKeyId=shut)
    roles.let_send(url, queue, "sns.amazonaws.com", topic)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    sns.publish(TopicArn=topic, Message="lost")
    roles.wait_notice(topic, queue, "sns.amazonaws.com")
    roles.cloud.client("sqs").set_queue_attributes(
        QueueUrl=url, Attributes={"KmsMasterKeyId": open_}
    )
    sns.publish(TopicArn=topic, Message="kept")
    assert json.loads(roles.receive(url)["Body"])["Message"] == "kept"
