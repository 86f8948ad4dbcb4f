"""Who may do what: credentials, roles, resource policies, and the words of a refusal."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.templates import ROLE, allow, balanced, function, role, table, template
from tests.waiting import PATIENCE

from fairway.cloud.launch import read_status

pytestmark = pytest.mark.slow

PROBE = """
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
def handler(event, context):
    client = boto3.client(event["service"], config=CONFIG)
    try:
        getattr(client, event["call"])(**event["with"])
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {**error.response["Error"], "Status": status}
    return {"Code": "OK"}
"""

TAGS = [{"Key": "Component", "Value": "entries"}]
EVALUATION = "Policy evaluation logic"
ERRORS = "Troubleshoot access denied error messages"


def probe_template(key: str) -> dict[str, Any]:
    """A function whose role may do a little, and what it may do it with."""
    bucket = {"Fn::GetAtt": ["Files", "Arn"]}
    own = role(
        allow("dynamodb:PutItem", "dynamodb:BatchWriteItem", on="Entries"),
        allow("sqs:SendMessage", on="Jobs"),
        {
            "Effect": "Allow",
            "Action": "s3:*Object",
            "Resource": {"Fn::Sub": ["${B}/open/*", {"B": bucket}]},
        },
        {
            "Effect": "Deny",
            "Action": "s3:PutObject",
            "Resource": {"Fn::Sub": ["${B}/open/sealed/*", {"B": bucket}]},
        },
        {
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:Query"],
            "Resource": {"Fn::GetAtt": ["Entries", "Arn"]},
            "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}},
        },
        {"Effect": "Allow", "Action": "sns:*", "NotResource": "arn:aws:sns:*:*:closed*"},
    )
    me = {"AWS": {"Fn::GetAtt": ["Role", "Arn"]}}
    return template(
        {
            "Role": own,
            "Probe": function(
                BUCKET, key, MemorySize=256, Tags=[{"Key": "Component", "Value": "api"}]
            ),
            "Entries": table(Tags=TAGS),
            "Others": table(),
            "Jobs": {"Type": "AWS::SQS::Queue"},
            "Closed": {"Type": "AWS::SQS::Queue"},
            "ClosedPolicy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {
                    "Queues": [{"Ref": "Jobs"}],
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": me,
                                "Action": "sqs:ReceiveMessage",
                                "Resource": {"Fn::GetAtt": ["Jobs", "Arn"]},
                            }
                        ],
                    },
                },
            },
            "Files": {"Type": "AWS::S3::Bucket"},
            "Guarded": {"Type": "AWS::S3::Bucket"},
            "GuardedPolicy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {
                    "Bucket": {"Ref": "Guarded"},
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Principal": me,
                                "Action": "s3:PutObject",
                                "Resource": {"Fn::Sub": "${Guarded.Arn}/*"},
                            },
                            {
                                "Effect": "Deny",
                                "Principal": "*",
                                "Action": "s3:PutObject",
                                "Resource": {"Fn::Sub": "${Guarded.Arn}/never/*"},
                            },
                            {
                                "Effect": "Deny",
                                "Principal": "*",
                                "Action": "s3:*",
                                "Resource": {"Fn::Sub": "${Guarded.Arn}/*"},
                                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                            },
                        ],
                    },
                },
            },
        },
        {name: {"Ref": name} for name in ("Probe", "Entries", "Others", "Jobs", "Closed")}
        | {name: {"Ref": name} for name in ("Files", "Guarded", "Role")},
    )


class Probe:
    """The deployed function, and the names that calls are made with."""

    def __init__(self, cloud: Cloud, stack: str) -> None:
        self.cloud = cloud
        self.names = cloud.outputs(stack)

    def call(self, service: str, call: str, arguments: dict[str, Any]) -> dict[str, Any]:
        filled = json.loads(fill(json.dumps(arguments), self.names))
        payload = json.dumps({"service": service, "call": call, "with": filled})
        answer = self.cloud.client("lambda").invoke(
            FunctionName=self.names["Probe"], Payload=payload
        )
        return dict(json.loads(answer["Payload"].read()))


def fill(text: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(f"<{name}>", value)
    return text


@pytest.fixture(scope="module")
def probe(cloud: Cloud) -> Iterator[Probe]:
    stack = f"probe{uuid.uuid4().hex[:8]}"
    status = cloud.deploy(stack, probe_template(cloud.upload(PROBE)))
    assert status == "CREATE_COMPLETE", cloud.failures(stack)
    found = Probe(cloud, stack)
    yield found
    for bucket in ("Files", "Guarded"):
        resource = cloud.client("s3")
        for entry in resource.list_objects_v2(Bucket=found.names[bucket]).get("Contents", []):
            resource.delete_object(Bucket=found.names[bucket], Key=entry["Key"])
    cloud.delete(stack)


FINE = "Using IAM policy conditions for fine-grained access control"
OTHER = {"uniqueId": {"S": "other"}, "timeStamp": {"S": "2"}}
ROW = {"uniqueId": {"S": "mine"}, "timeStamp": {"S": "2"}}


def put(table_name: str) -> dict[str, Any]:
    return {"TransactItems": [{"Put": {"TableName": table_name, "Item": ROW}}]}


def write(*tables: str) -> dict[str, Any]:
    return {"RequestItems": {name: [{"PutRequest": {"Item": ROW}}] for name in tables}}


def calls(
    name: str,
    service: str,
    call: str,
    arguments: dict[str, Any],
    code: str,
    claim: str,
    page: str = EVALUATION,
) -> Any:
    return pytest.param(service, call, arguments, code, id=name, marks=holds("IAM", page, claim))


ENTRY = {"TableName": "<Entries>", "Item": ROW}
DENIED = "AccessDeniedException"


@pytest.mark.parametrize(
    ("service", "call", "arguments", "code"),
    [
        calls("put", "dynamodb", "put_item", ENTRY, "OK", "an allowed call is made"),
        calls(
            "scan", "dynamodb", "scan", {"TableName": "<Entries>"}, DENIED,
            "an action that no statement allows is denied",
        ),
        calls(
            "other-table", "dynamodb", "put_item", {"TableName": "<Others>", "Item": ROW}, DENIED,
            "an allowed action on another resource is denied",
        ),
        calls(
            "transact", "dynamodb", "transact_write_items", put("<Entries>"), "OK",
            "a transaction needs the actions of its items, not one of its own",
            "Using IAM with DynamoDB transactions",
        ),
        calls(
            "transact-other", "dynamodb", "transact_write_items", put("<Others>"), DENIED,
            "a transaction is denied when one of its items is",
            "Using IAM with DynamoDB transactions",
        ),
        calls(
            "batch", "dynamodb", "batch_write_item", write("<Entries>"), "OK",
            "a batch is allowed on its table", "BatchWriteItem",
        ),
        calls(
            "batch-other", "dynamodb", "batch_write_item", write("<Entries>", "<Others>"), DENIED,
            "a batch is denied when one of its tables is", "BatchWriteItem",
        ),
        calls(
            "leading-key", "dynamodb", "get_item", {"TableName": "<Entries>", "Key": ROW}, "OK",
            "dynamodb:LeadingKeys allows the caller's own rows", FINE,
        ),
        calls(
            "leading-key-other", "dynamodb", "get_item",
            {"TableName": "<Entries>", "Key": OTHER}, DENIED,
            "dynamodb:LeadingKeys keeps the caller from other rows", FINE,
        ),
        calls(
            "leading-key-query", "dynamodb", "query",
            {"TableName": "<Entries>", "KeyConditionExpression": "#k = :v",
             "ExpressionAttributeNames": {"#k": "uniqueId"},
             "ExpressionAttributeValues": {":v": {"S": "mine"}}}, "OK",
            "dynamodb:LeadingKeys allows a query of the caller's own rows", FINE,
        ),
        calls(
            "leading-key-query-other", "dynamodb", "query",
            {"TableName": "<Entries>", "KeyConditionExpression": "uniqueId = :v",
             "ExpressionAttributeValues": {":v": {"S": "other"}}}, DENIED,
            "dynamodb:LeadingKeys keeps the caller from a query of other rows", FINE,
        ),
        calls(
            "object", "s3", "put_object", {"Bucket": "<Files>", "Key": "open/a", "Body": "x"},
            "OK", "a wildcard in an action and a prefix in a resource match",
            "IAM JSON policy elements: Resource",
        ),
        calls(
            "object-outside", "s3", "put_object",
            {"Bucket": "<Files>", "Key": "shut/a", "Body": "x"}, "AccessDenied",
            "a key outside the prefix is denied", "IAM JSON policy elements: Resource",
        ),
        calls(
            "object-sealed", "s3", "put_object",
            {"Bucket": "<Files>", "Key": "open/sealed/a", "Body": "x"}, "AccessDenied",
            "an explicit deny wins over an allow",
        ),
        calls(
            "list", "s3", "list_objects_v2", {"Bucket": "<Files>"}, "AccessDenied",
            "access to objects does not include listing the bucket",
            "Policies and permissions in Amazon S3",
        ),
        calls(
            "bucket-policy", "s3", "put_object",
            {"Bucket": "<Guarded>", "Key": "a", "Body": "x"}, "OK",
            "within an account an allow of the bucket's policy suffices, TLS being required",
        ),
        calls(
            "bucket-policy-deny", "s3", "put_object",
            {"Bucket": "<Guarded>", "Key": "never/a", "Body": "x"}, "AccessDenied",
            "a deny of the bucket's policy wins",
        ),
        calls(
            "send", "sqs", "send_message", {"QueueUrl": "<Jobs>", "MessageBody": "x"}, "OK",
            "a queue is granted by its ARN",
            "Using identity-based policies with Amazon SQS",
        ),
        calls(
            "queue-policy", "sqs", "receive_message", {"QueueUrl": "<Jobs>"}, "OK",
            "within an account an allow of the queue's policy suffices",
        ),
        calls(
            "purge", "sqs", "purge_queue", {"QueueUrl": "<Jobs>"}, "AccessDenied",
            "a queue's policy grants only the actions it names",
        ),
        calls(
            "other-queue", "sqs", "send_message",
            {"QueueUrl": "<Closed>", "MessageBody": "x"}, "AccessDenied",
            "an allowed action on another queue is denied",
        ),
        calls(
            "not-resource", "sns", "create_topic", {"Name": "open"}, "OK",
            "NotResource allows everything but what it names",
            "IAM JSON policy elements: NotResource",
        ),
        calls(
            "not-resource-named", "sns", "create_topic", {"Name": "closed"}, "AuthorizationError",
            "NotResource does not allow what it names",
            "IAM JSON policy elements: NotResource",
        ),
        calls(
            "parameters", "ssm", "get_parameter", {"Name": "/x"}, DENIED,
            "a service that no statement names is denied",
        ),
        calls(
            "functions", "lambda", "invoke", {"FunctionName": "<Probe>"}, DENIED,
            "a function may not invoke itself without a statement",
        ),
        calls(
            "iam", "iam", "create_user", {"UserName": "mallory"}, "AccessDenied",
            "a function may not change permissions without a statement",
        ),
        calls(
            "stacks", "cloudformation", "delete_stack", {"StackName": "any"}, "AccessDenied",
            "a function may not delete stacks without a statement",
        ),
        calls(
            "identity", "sts", "get_caller_identity", {}, "OK",
            "no permission is needed to ask who one is", "GetCallerIdentity",
        ),
    ],
)  # fmt: skip
def test_role_is_enforced(
    probe: Probe, service: str, call: str, arguments: dict[str, Any], code: str
) -> None:
    assert probe.call(service, call, arguments)["Code"] == code


@pytest.mark.parametrize(
    ("service", "call", "arguments", "action", "resource", "status"),
    [
        pytest.param(
            "dynamodb", "scan", {"TableName": "<Entries>"}, "dynamodb:Scan",
            "arn:aws:dynamodb:eu-west-1:000000000000:table/<Entries>", 400,
            id="dynamodb",
            marks=holds("IAM", ERRORS, "DynamoDB names caller, action and table, status 400"),
        ),
        pytest.param(
            "s3", "list_objects_v2", {"Bucket": "<Files>"}, "s3:ListBucket",
            '"arn:aws:s3:::<Files>"', 403,
            id="s3",
            marks=holds("IAM", ERRORS, "S3 names caller, action and bucket, status 403"),
        ),
        pytest.param(
            "sqs", "purge_queue", {"QueueUrl": "<Jobs>"}, "sqs:purgequeue",
            "arn:aws:sqs:eu-west-1:000000000000:", 403,
            id="sqs",
            marks=holds("IAM", ERRORS, "SQS names caller, action in small letters and queue"),
        ),
    ],
)  # fmt: skip
def test_refusal_is_worded_as_on_aws(
    probe: Probe,
    service: str,
    call: str,
    arguments: dict[str, Any],
    action: str,
    resource: str,
    status: int,
) -> None:
    refused = probe.call(service, call, arguments)
    caller = f"arn:aws:sts::000000000000:assumed-role/{probe.names['Role']}/{probe.names['Probe']}"
    assert refused["Message"].startswith(
        f"User: {caller} is not authorized to perform: {action} on resource: "
        + fill(resource, probe.names)
    )
    assert refused["Message"].endswith(
        f"because no identity-based policy allows the {action} action"
    )
    assert refused["Status"] == status


@holds("IAM", "Troubleshoot access denied error messages", "the refusal stands in the log group")
def test_unhandled_refusal_is_in_the_log(cloud: Cloud, stack: str) -> None:
    source = (
        "import boto3\ndef handler(event, context):\n"
        "    boto3.client('dynamodb').delete_table(TableName='entries')\n"
    )
    cloud.deploy(stack, template({"Role": ROLE, "F": function(BUCKET, cloud.upload(source))}))
    name = cloud.resource(stack, "F")
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    assert answer["FunctionError"] == "Unhandled"
    logs = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")
    text = "\n".join(e["message"] for e in logs["events"])
    assert "AccessDeniedException" in text
    assert "is not authorized to perform: dynamodb:DeleteTable on resource: arn:aws:" in text


@holds(
    "IAM",
    "Troubleshoot access denied error messages",
    "what to write into fairway.yml is told beside it",
    "partial",
    "AWS does not know the application's file; this cloud adds a hint to `fairway status`",
)
def test_denial_names_the_missing_link(cloud: Cloud, probe: Probe) -> None:
    probe.call("dynamodb", "query", {
        "TableName": "<Entries>",
        "KeyConditionExpression": "uniqueId = :i",
        "ExpressionAttributeValues": {":i": {"S": "1"}},
    })  # fmt: skip
    notices = [n["text"] for n in read_status(cloud.info)["notices"]]
    found = [text for text in notices if "dynamodb:Query" in text]
    assert len(found) == 1
    assert "component api lacks access to component entries" in found[0]
    assert "add `entries: read` to the `uses` of api in fairway.yml" in found[0]


# --- credentials ----------------------------------------------------------------


def make_client(cloud: Cloud, service: str, key: str, secret: str, token: str | None = None) -> Any:
    return boto3.client(
        service,
        endpoint_url=cloud.info.endpoint,
        region_name=cloud.info.region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def refusal_of(client: Any, call: str, **arguments: Any) -> str:
    with pytest.raises(ClientError) as refused:
        getattr(client, call)(**arguments)
    return str(refused.value.response["Error"]["Code"])


SERVICES = [
    ("dynamodb", "list_tables", "UnrecognizedClientException", "InvalidSignatureException"),
    ("sqs", "list_queues", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    ("s3", "list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    ("iam", "list_users", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    ("cloudformation", "list_stacks", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    ("lambda", "list_functions", "UnrecognizedClientException", "InvalidSignatureException"),
    ("logs", "describe_log_groups", "UnrecognizedClientException", "InvalidSignatureException"),
    ("ec2", "describe_vpcs", "AuthFailure", "AuthFailure"),
]


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        pytest.param(
            service, call, code, id=service,
            marks=holds("STS", "Common errors", f"{service} refuses an unknown key with {code}"),
        )
        for service, call, code, _ in SERVICES
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["AKIAIOSFODNN7EXAMPLE", "test", "000000000000"])
def test_unknown_key_is_refused(cloud: Cloud, key: str, service: str, call: str, code: str) -> None:
    assert refusal_of(make_client(cloud, service, key, "test"), call) == code


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        pytest.param(
            service, call, code, id=service,
            marks=holds("STS", "Common errors", f"{service} refuses a wrong secret with {code}"),
        )
        for service, call, _, code in SERVICES
    ],
)  # fmt: skip
def test_wrong_secret_is_refused(cloud: Cloud, service: str, call: str, code: str) -> None:
    client = make_client(cloud, service, cloud.info.access_key, "x" * 40)
    assert refusal_of(client, call) == code


@holds("S3", "Making requests using the REST API", "an anonymous request is denied with 403")
def test_anonymous_request_to_a_bucket(cloud: Cloud) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{cloud.info.endpoint}/{BUCKET}", timeout=PATIENCE)
    assert refused.value.code == 403
    assert b"<Code>AccessDenied</Code>" in refused.value.read()


@holds("DynamoDB", "Error handling with DynamoDB", "an unsigned request misses its token")
def test_unsigned_request_to_tables(cloud: Cloud) -> None:
    request = urllib.request.Request(
        cloud.info.endpoint,
        data=b"{}",
        headers={
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.ListTables",
        },
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=PATIENCE)
    assert refused.value.code == 400
    assert b"MissingAuthenticationTokenException" in refused.value.read()


@holds("S3", "Sharing objects with presigned URLs", "a presigned URL is verified")
def test_presigned_url(cloud: Cloud) -> None:
    client = cloud.client("s3")
    client.put_object(Bucket=BUCKET, Key="signed.txt", Body=b"hello")
    url = client.generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": "signed.txt"}
    )
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        assert answer.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("signed.txt", "other.txt"), timeout=PATIENCE)
    assert refused.value.code == 403


# --- roles and users ------------------------------------------------------------


@pytest.fixture
def assumable(cloud: Cloud) -> Iterator[str]:
    """A role that this account may assume and that may list queues and tables; its ARN."""
    iam, name = cloud.client("iam"), f"r{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": ["sqs:ListQueues", "dynamodb:ListTables"], "Resource": "*"}
    iam.put_role_policy(
        RoleName=name,
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}),
    )
    yield str(arn)
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    iam.delete_role(RoleName=name)


def assume(cloud: Cloud, arn: str, **options: Any) -> dict[str, str]:
    answer = cloud.client("sts").assume_role(RoleArn=arn, RoleSessionName="me", **options)
    return dict(answer["Credentials"])


def client_of(cloud: Cloud, service: str, session: dict[str, str]) -> Any:
    return make_client(
        cloud,
        service,
        session["AccessKeyId"],
        session["SecretAccessKey"],
        session["SessionToken"],
    )


@holds("STS", "AssumeRole", "temporary credentials carry the role's permissions")
def test_assumed_role(cloud: Cloud, assumable: str) -> None:
    session = assume(cloud, assumable)
    client_of(cloud, "sqs", session).list_queues()
    denied = refusal_of(client_of(cloud, "s3", session), "list_buckets")
    assert denied == "AccessDenied"


@holds("STS", "AssumeRole", "a session policy narrows the role's permissions")
def test_session_policy(cloud: Cloud, assumable: str) -> None:
    only = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [only]})
    session = assume(cloud, assumable, Policy=policy)
    client_of(cloud, "sqs", session).list_queues()
    assert refusal_of(client_of(cloud, "dynamodb", session), "list_tables") == DENIED


@holds("STS", "Using temporary credentials with AWS resources", "the session token is required")
def test_session_token_is_required(cloud: Cloud, assumable: str) -> None:
    session = assume(cloud, assumable)
    client = make_client(cloud, "dynamodb", session["AccessKeyId"], session["SecretAccessKey"])
    assert refusal_of(client, "list_tables") == "UnrecognizedClientException"


@holds("STS", "AssumeRole", "a role is assumed only by whom its trust policy names")
def test_trust_policy(cloud: Cloud, probe: Probe) -> None:
    arn = f"arn:aws:iam::000000000000:role/{probe.names['Role']}"
    denied = refusal_of(cloud.client("sts"), "assume_role", RoleArn=arn, RoleSessionName="me")
    assert denied == "AccessDenied"


@holds("IAM", "Managing access keys for IAM users", "a user's key works until it is inactive")
def test_user_key(cloud: Cloud) -> None:
    iam, name = cloud.client("iam"), f"u{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    may = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    iam.put_user_policy(
        UserName=name,
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    client = make_client(cloud, "sqs", key["AccessKeyId"], key["SecretAccessKey"])
    client.list_queues()
    assert refusal_of(client, "create_queue", QueueName="q") == "AccessDenied"
    iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert refusal_of(client, "list_queues") == "InvalidClientTokenId"
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName="p")
    iam.delete_user(UserName=name)


@holds("IAM", "Policy evaluation logic", "a change of the role's policy counts at once", "partial",
       "on AWS a change takes some seconds to reach every service")  # fmt: skip
def test_changed_policy_counts(cloud: Cloud, assumable: str) -> None:
    client = client_of(cloud, "sqs", assume(cloud, assumable))
    client.list_queues()
    nothing = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    cloud.client("iam").put_role_policy(
        RoleName=assumable.rsplit("/", 1)[-1],
        PolicyName="p",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [nothing]}),
    )
    assert refusal_of(client, "list_queues") == "AccessDenied"


# --- who may call a function -------------------------------------------------------


@holds(
    "Elastic Load Balancing",
    "Lambda functions as targets",
    "a function that does not let the load balancer call it is not registered",
)
def test_load_balancer_needs_permission(cloud: Cloud, stack: str) -> None:
    deployed = balanced(BUCKET, cloud.upload("def handler(event, context): pass"))
    del deployed["Resources"]["Permission"]
    del deployed["Resources"]["Targets"]["DependsOn"]
    assert cloud.deploy(stack, deployed) == "ROLLBACK_COMPLETE"
    assert any(
        "elasticloadbalancing principal does not have permission to invoke" in reason
        for reason in cloud.failures(stack)
    )


@holds(
    "API Gateway",
    "Troubleshooting issues with HTTP API Lambda integrations",
    "a function that does not let the API call it is answered with 500",
)
def test_http_api_needs_permission(cloud: Cloud, stack: str) -> None:
    source = "def handler(event, context): return 'hello'"
    uri = {"Fn::GetAtt": ["F", "Arn"]}
    integration = {
        "Type": "AWS::ApiGatewayV2::Integration",
        "Properties": {
            "ApiId": {"Ref": "Api"},
            "IntegrationType": "AWS_PROXY",
            "IntegrationUri": uri,
            "PayloadFormatVersion": "2.0",
        },
    }

    def route(path: str) -> dict[str, Any]:
        return {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "RouteKey": f"GET {path}",
                "Target": {"Fn::Sub": "integrations/${Integration}"},
            },
        }

    resources = {
        "Role": ROLE,
        "F": function(BUCKET, cloud.upload(source)),
        "Api": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {"Name": "a", "ProtocolType": "HTTP"},
        },
        "Integration": integration,
        "Open": route("/open"),
        "Shut": route("/shut"),
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True},
        },
    }
    outputs = {"Url": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}
    cloud.deploy(stack, template(resources, outputs))
    url = cloud.outputs(stack)["Url"]
    assert fetch(f"{url}/open") == (500, '{"message":"Internal Server Error"}')
    resources["Permission"] = {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": "F"},
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": {
                "Fn::Sub": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*/*/open"
            },
        },
    }
    cloud.deploy(stack, template(resources, outputs))
    assert fetch(f"{url}/open") == (200, "hello")
    assert fetch(f"{url}/shut") == (500, '{"message":"Internal Server Error"}')


def fetch(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


@pytest.mark.parametrize(
    "trust",
    [
        pytest.param(None, id="absent", marks=holds(
            "Lambda", "Defining Lambda function permissions with an execution role",
            "a role that does not exist is refused",
        )),
        pytest.param("ecs-tasks.amazonaws.com", id="untrusted", marks=holds(
            "Lambda", "Defining Lambda function permissions with an execution role",
            "a role that does not trust Lambda is refused",
        )),
    ],
)  # fmt: skip
def test_role_must_be_assumable(cloud: Cloud, stack: str, trust: str | None) -> None:
    own = role()
    statement = own["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    statement["Principal"]["Service"] = trust
    made = function(BUCKET, cloud.upload("def handler(event, context): pass"))
    if trust is None:
        made["Properties"]["Role"] = "arn:aws:iam::000000000000:role/absent"
    resources = {"F": made} | ({"Role": own} if trust else {})
    assert cloud.deploy(stack, template(resources)) == "ROLLBACK_COMPLETE"
    assert any(
        "The role defined for the function cannot be assumed by Lambda." in reason
        for reason in cloud.failures(stack)
    )
