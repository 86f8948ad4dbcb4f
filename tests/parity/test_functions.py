"""Functions through Lambda's API: versions, aliases, concurrency, limits, Node.js.

Titles in quotation marks are pages of the AWS Lambda Developer Guide unless
they name another book.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import shutil
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.templates import ROLE, function, template
from tests.waiting import wait_for

from fairway.cloud.launch import read_status

pytestmark = pytest.mark.slow

TRUST = json.dumps(ROLE["Properties"]["AssumeRolePolicyDocument"])  # type: ignore[index]
ECHO = "def handler(event, context):\n    return event\n"
SLOW = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


# What a role needs for the sources and destinations of its functions.
WIRES = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [
                    "dynamodb:DescribeStream",
                    "dynamodb:GetRecords",
                    "dynamodb:GetShardIterator",
                    "dynamodb:ListStreams",
                    "events:PutEvents",
                    "kinesis:DescribeStream",
                    "kinesis:GetRecords",
                    "kinesis:GetShardIterator",
                    "lambda:InvokeFunction",
                    "sns:Publish",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                    "sqs:ReceiveMessage",
                    "sqs:SendMessage",
                ],
                "Resource": "*",
            }
        ],
    }
)


class Lab:
    """Functions made through the API, removed at the end."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.client = cloud.client("lambda")
        self.role = f"role-{uuid.uuid4().hex[:8]}"
        made = cloud.client("iam").create_role(RoleName=self.role, AssumeRolePolicyDocument=TRUST)
        self.role_arn = made["Role"]["Arn"]
        cloud.client("iam").put_role_policy(
            RoleName=self.role, PolicyName="wires", PolicyDocument=WIRES
        )
        self.names: list[str] = []

    def make(self, source: str = ECHO, file: str = "handler.py", **settings: Any) -> str:
        """Create a function; returns its name."""
        name = f"f{uuid.uuid4().hex[:8]}"
        self.client.create_function(
            **{
                "FunctionName": name,
                "Runtime": "python3.11",
                "Handler": "handler.handler",
                "Role": self.role_arn,
                "Timeout": 10,
                "Code": {"ZipFile": zipped({file: source})},
                **settings,
            }
        )
        self.names.append(name)
        return name

    def invoke(self, name: str, event: Any = None, **options: Any) -> Any:
        """Invoke; returns the parsed payload."""
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(event), **options)
        return json.loads(answer["Payload"].read() or b"null")

    def close(self) -> None:
        for name in self.names:
            self.client.delete_function(FunctionName=name)
        self.cloud.client("iam").delete_role_policy(RoleName=self.role, PolicyName="wires")
        self.cloud.client("iam").delete_role(RoleName=self.role)


@pytest.fixture(scope="module")
def lab(cloud: Cloud) -> Iterator[Lab]:
    made = Lab(cloud)
    yield made
    made.close()


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call()
    response: dict[str, Any] = caught.value.response
    return response


# --- Invoke ------------------------------------------------------------------


@holds(
    "Lambda",
    "Lambda API Reference, Invoke",
    "Answers carry the executed version, and the log's tail when asked for",
)
def test_answers_name_version_request_and_log(lab: Lab) -> None:
    """Lambda API Reference, "Invoke": response headers and LogType."""
    name = lab.make("def handler(event, context):\n    print('said')\n    return event\n")
    answer = lab.client.invoke(FunctionName=name, Payload=b'{"a": 1}', LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read()) == {"a": 1}
    assert log.splitlines()[1] == "said"
    assert log.startswith("START RequestId: ")


@holds(
    "Lambda",
    "Lambda API Reference, Invoke",
    "A handler's error is 200 with FunctionError and an error document",
)
def test_an_error_of_the_handler_is_200_with_function_error(lab: Lab) -> None:
    """Lambda API Reference, "Invoke": FunctionError."""
    name = lab.make("def handler(event, context):\n    raise KeyError('gone')\n")
    answer = lab.client.invoke(FunctionName=name)
    body = json.loads(answer["Payload"].read())
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert (body["errorType"], body["errorMessage"]) == ("KeyError", "'gone'")


@holds(
    "Lambda",
    "Lambda API Reference, Invoke",
    "DryRun answers 204 and runs nothing",
    "partial",
    "who calls is checked as for every call, the function's configuration is not",
)
def test_a_dry_run_runs_nothing(lab: Lab) -> None:
    """Lambda API Reference, "Invoke": InvocationType DryRun, 204."""
    name = lab.make("raise SystemExit")
    assert lab.client.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204


@holds(
    "Lambda",
    "Lambda API Reference, Invoke",
    "A payload that is no JSON is refused with InvalidRequestContentException",
)
def test_payloads_that_are_no_json_are_refused(lab: Lab) -> None:
    """Lambda API Reference, "Invoke": InvalidRequestContentException."""
    name = lab.make()
    found = refusal(lambda: lab.client.invoke(FunctionName=name, Payload=b"{"))
    assert found["Error"]["Code"] == "InvalidRequestContentException"
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 400


@holds(
    "Lambda",
    "Lambda quotas",
    "Payloads above 6 MB (synchronous) and 1 MB (asynchronous) are refused with 413",
)
@pytest.mark.parametrize(
    ("kind", "limit", "message"),
    [
        ("RequestResponse", 6_291_456, "Request must be smaller than 6291456 bytes"),
        ("Event", 1_048_576, "payload is too large for the Event invocation type"),
    ],
)
def test_payload_limits(lab: Lab, kind: str, limit: int, message: str) -> None:
    """ "Lambda quotas": invocation payload, 6 MB synchronous, 1 MB asynchronous."""
    name = lab.make("def handler(event, context):\n    return len(event)\n")
    large = json.dumps("x" * limit).encode()
    found = refusal(
        lambda: lab.client.invoke(FunctionName=name, Payload=large, InvocationType=kind)
    )
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert found["Error"]["Code"] == "RequestTooLargeException"
    assert message in found["Error"]["Message"]
    fits = json.dumps("x" * (limit - 2)).encode()
    answer = lab.client.invoke(FunctionName=name, Payload=fits, InvocationType=kind)
    assert answer["StatusCode"] == (200 if kind == "RequestResponse" else 202)


@holds(
    "Lambda",
    "Lambda API Reference, Invoke",
    "An unknown function or qualifier is ResourceNotFoundException",
)
def test_an_unknown_function_or_qualifier(lab: Lab) -> None:
    """Lambda API Reference, "Invoke": ResourceNotFoundException."""
    name = lab.make()
    for options in ({"FunctionName": "absent"}, {"FunctionName": name, "Qualifier": "7"}):
        found = refusal(lambda options=options: lab.client.invoke(**options))
        assert found["Error"]["Code"] == "ResourceNotFoundException"


# --- versions, aliases, concurrency --------------------------------------------


@holds(
    "Lambda",
    "Manage Lambda function versions",
    "A version keeps the code and the configuration it was published with",
)
def test_a_version_keeps_its_code_and_configuration(lab: Lab) -> None:
    """ "Manage Lambda function versions": a version is a snapshot that does not change."""
    source = "import os\ndef handler(event, context):\n    return [1, os.environ['KEY']]\n"
    name = lab.make(source, Environment={"Variables": {"KEY": "one"}})
    version = lab.client.publish_version(FunctionName=name)["Version"]
    lab.client.update_function_code(
        FunctionName=name, ZipFile=zipped({"handler.py": source.replace("[1", "[2")})
    )
    lab.client.update_function_configuration(
        FunctionName=name, Environment={"Variables": {"KEY": "two"}}
    )
    assert lab.invoke(name, Qualifier=version) == [1, "one"]
    assert lab.invoke(name) == [2, "two"]


@holds(
    "Lambda",
    "Implement Lambda canary deployments using a weighted alias",
    "An alias divides invocations between two versions by weight",
)
def test_an_alias_divides_its_traffic_by_weight(lab: Lab) -> None:
    """ "Implement Lambda canary deployments using a weighted alias"."""
    source = "def handler(event, context):\n    return context.function_version\n"
    name = lab.make(source)
    lab.client.publish_version(FunctionName=name)
    lab.client.update_function_code(
        FunctionName=name, ZipFile=zipped({"handler.py": source + "# 2\n"})
    )
    lab.client.publish_version(FunctionName=name)
    lab.client.create_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    seen = set()
    for _ in range(40):  # all alike by chance: once in 5e11
        answer = lab.client.invoke(FunctionName=f"{name}:live")
        assert answer["ExecutedVersion"] == json.loads(answer["Payload"].read())
        seen.add(answer["ExecutedVersion"])
    assert seen == {"1", "2"}
    lab.client.update_alias(
        FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert {lab.invoke(name, Qualifier="live") for _ in range(10)} == {"1"}


@holds(
    "Lambda",
    "Using the Lambda context object to retrieve Python function information",
    "invoked_function_arn is the ARN that the caller named",
)
def test_the_context_names_the_alias_that_was_invoked(lab: Lab) -> None:
    """ "Using the Lambda context object to retrieve Python function information"."""
    name = lab.make("def handler(event, context):\n    return context.invoked_function_arn\n")
    lab.client.publish_version(FunctionName=name)
    lab.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert lab.invoke(name, Qualifier="live").endswith(f":function:{name}:live")
    assert lab.invoke(name).endswith(f":function:{name}")


@holds(
    "Lambda",
    "Configuring reserved concurrency for a function",
    "Above its reserved concurrency a function is throttled at once: 429 with the reason",
)
def test_reserved_concurrency_throttles_at_once_with_its_reason(lab: Lab) -> None:
    """ "Configuring reserved concurrency for a function", and "Invoke" for 429."""
    name = lab.make(SLOW)
    lab.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    lab.invoke(name, 0)

    def occupy() -> None:
        """Hold the one place for long, once a shorter call has left it."""
        with contextlib.suppress(ClientError):
            lab.invoke(name, 1)
            return
        occupy()

    running = threading.Thread(target=occupy)
    running.start()

    def throttled() -> dict[str, Any] | None:
        try:
            lab.invoke(name, 0)
        except ClientError as error:
            return dict(error.response)
        return None

    found = wait_for(throttled, "never throttled")
    running.join()
    assert found["Error"]["Code"] == "TooManyRequestsException"
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert found["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert lab.invoke(name, 0) == 0


@holds(
    "Lambda",
    "Configuring reserved concurrency for a function",
    "A reserved concurrency of 0 throttles every invocation",
)
def test_a_reserved_concurrency_of_zero_stops_the_function(lab: Lab) -> None:
    """ "Configuring reserved concurrency for a function": set it to 0 to throttle all."""
    name = lab.make()
    lab.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    found = refusal(lambda: lab.invoke(name))
    assert found["ResponseMetadata"]["HTTPStatusCode"] == 429
    lab.client.delete_function_concurrency(FunctionName=name)
    assert lab.invoke(name, 5) == 5


@holds(
    "Lambda",
    "Configuring provisioned concurrency",
    "Provisioned environments are initialized before the first invocation",
    "partial",
    "at most as many as this machine runs workers, and ready at once by what the API says",
)
def test_provisioned_concurrency_initializes_ahead(lab: Lab) -> None:
    """ "Configuring provisioned concurrency", and AWS_LAMBDA_INITIALIZATION_TYPE in
    "Working with Lambda environment variables"."""
    source = (
        "import os\ndef handler(event, context):\n"
        "    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n"
    )
    name = lab.make(source)
    lab.client.publish_version(FunctionName=name)
    lab.client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=2
    )
    assert lab.invoke(name, Qualifier="1") == "provisioned-concurrency"
    assert lab.invoke(name) == "on-demand"
    found = lab.client.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    assert found["Status"] == "READY"


@holds("Lambda", "AWS::Lambda::Version", "ProvisionedConcurrencyConfig is applied to the version")
def test_provisioned_concurrency_of_a_version_through_cloudformation(
    lab: Lab, cloud: Cloud, stack: str
) -> None:
    """CloudFormation's AWS::Lambda::Version: ProvisionedConcurrencyConfig."""
    source = "def handler(event, context):\n    return context.function_version\n"
    resources = {
        "Api": function(BUCKET, cloud.upload(source), Role=lab.role_arn),
        "One": {
            "Type": "AWS::Lambda::Version",
            "Properties": {
                "FunctionName": {"Ref": "Api"},
                "ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 2},
            },
        },
    }
    assert cloud.deploy(stack, template(resources)) == "CREATE_COMPLETE", cloud.failures(stack)
    name = cloud.resource(stack, "Api")
    served = {f["arn"].split(":", 6)[6]: f for f in read_status(cloud.info)["functions"]}
    assert served[f"{name}:1"]["workers"] == 2
    assert lab.invoke(name, Qualifier="1") == "1"


# --- limits --------------------------------------------------------------------


@holds(
    "Lambda",
    "Viewing CloudWatch logs for Lambda functions",
    "A report tells the duration to a hundredth of a millisecond, and bills it rounded up",
)
def test_reports_tell_fractions_of_a_millisecond(lab: Lab) -> None:
    name = lab.make(ECHO)
    lab.invoke(name, 1)  # no cold start in what follows
    found = []
    for _ in range(20):
        answer = lab.client.invoke(FunctionName=name, Payload=b"1", LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode()
        report = re.search(r"\tDuration: (\d+\.\d\d) ms\tBilled Duration: (\d+) ms", log)
        assert report is not None
        found.append((float(report[1]), int(report[2])))
    assert all(billed >= 1 and billed - 1 <= spent <= billed for spent, billed in found)
    assert any(spent % 1 for spent, _ in found)


@holds(
    "Lambda",
    "Troubleshoot configuration issues in Lambda",
    "A function above its memory is killed, with Runtime.OutOfMemory in its report",
    "partial",
    "looked at every 50 ms and at the end; a moment above it in a child process may pass",
)
def test_the_memory_limit_ends_the_function(lab: Lab) -> None:
    """ "Troubleshoot configuration issues in Lambda": memory configurations."""
    name = lab.make("def handler(event, context):\n    return len(b'x' * (event << 20))\n")
    answer = lab.client.invoke(FunctionName=name, Payload=b"400", LogType="Tail")
    body = json.loads(answer["Payload"].read())
    log = base64.b64decode(answer["LogResult"]).decode()
    assert answer["FunctionError"] == "Unhandled"
    assert body["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert "Memory Size: 128 MB\tMax Memory Used: 128 MB\t" in log
    assert "Error Type: Runtime.OutOfMemory" in log
    assert lab.invoke(name, 1) == 1 << 20


@holds("Lambda", "Lambda quotas", "Environment variables above 4 KB are refused by the API")
def test_environments_above_4_kb_are_refused(lab: Lab) -> None:
    """ "Lambda quotas": environment variables, 4 KB in all."""
    variables = {"KEY": "x" * 4100}
    found = refusal(lambda: lab.make(Environment={"Variables": variables}))
    assert found["Error"]["Code"] == "InvalidParameterValueException"
    assert "exceeded the 4KB limit" in found["Error"]["Message"]
    name = lab.make(Environment={"Variables": {"KEY": "x" * 4000}})
    found = refusal(
        lambda: lab.client.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
    )
    assert "exceeded the 4KB limit" in found["Error"]["Message"]


@holds(
    "Lambda",
    "Working with Lambda environment variables",
    "Reserved environment variables are refused by name",
)
def test_reserved_variables_are_refused(lab: Lab) -> None:
    """ "Working with Lambda environment variables": reserved environment variables."""
    found = refusal(lambda: lab.make(Environment={"Variables": {"AWS_REGION": "eu-west-1"}}))
    assert "contains reserved keys" in found["Error"]["Message"]
    assert found["Error"]["Message"].endswith("AWS_REGION")


@holds("Lambda", "Lambda quotas", "Environment variables above 4 KB fail the stack")
def test_a_stack_with_too_large_an_environment_is_rolled_back(
    lab: Lab, cloud: Cloud, stack: str
) -> None:
    """ "Lambda quotas": environment variables, 4 KB in all, also through CloudFormation."""
    large = {"Variables": {"KEY": "x" * 4100}}
    resource = function(BUCKET, cloud.upload(ECHO), Environment=large, Role=lab.role_arn)
    assert cloud.deploy(stack, template({"Api": resource})) == "ROLLBACK_COMPLETE"
    reasons = cloud.failures(stack)
    assert any("exceeded the 4KB limit" in reason for reason in reasons), reasons


@holds(
    "Lambda",
    "Configure ephemeral storage for Lambda functions",
    "Temporary files stay with one environment and go with it",
    "partial",
    "without a size limit; /tmp is shared where the system has no mount namespaces for users",
)
def test_temporary_files_are_of_one_worker_and_go_with_it(lab: Lab) -> None:
    """ "Configure ephemeral storage for Lambda functions": /tmp belongs to an environment."""
    source = """
import os, pathlib, tempfile
def handler(event, context):
    place = pathlib.Path(tempfile.gettempdir())
    before = sorted(p.name for p in place.iterdir())
    (place / "kept").touch()
    if event: os._exit(1)
    return before
"""
    name = lab.make(source)
    assert lab.invoke(name, 0) == []
    assert lab.invoke(name, 0) == ["kept"]
    lab.invoke(name, 1)
    assert lab.invoke(name, 0) == []


@holds("Lambda", "Configure Lambda function timeout", "A function above its timeout is ended")
def test_the_timeout_ends_the_function(lab: Lab) -> None:
    """ "Configure Lambda function timeout"."""
    name = lab.make(SLOW, Timeout=1)
    answer = lab.client.invoke(FunctionName=name, Payload=b"30", LogType="Tail")
    body = json.loads(answer["Payload"].read())
    assert answer["FunctionError"] == "Unhandled"
    assert body["errorType"] == "Sandbox.Timedout"
    assert body["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert "Status: timeout" in base64.b64decode(answer["LogResult"]).decode()
    assert lab.invoke(name, 0) == 0


@holds("Lambda", "Lambda quotas", "An answer above 6 MB is Function.ResponseSizeTooLarge")
def test_answers_are_limited(lab: Lab) -> None:
    """ "Lambda quotas": invocation payload, 6 MB for the response."""
    name = lab.make("def handler(event, context):\n    return 'x' * event\n")
    body = lab.invoke(name, 7_000_000)
    assert body["errorType"] == "Function.ResponseSizeTooLarge"
    assert len(lab.invoke(name, 6_000_000)) == 6_000_000


@holds(
    "Lambda",
    "Understanding the Lambda execution environment lifecycle",
    "An error while the code is loaded fails the invocation, and the next one loads it again",
)
def test_initialization_errors_fail_the_invocation(lab: Lab) -> None:
    """ "Understanding the Lambda execution environment lifecycle": failures in the Init phase."""
    name = lab.make("import absent\ndef handler(event, context):\n    return 1\n")
    for _ in range(2):
        answer = lab.client.invoke(FunctionName=name)
        body = json.loads(answer["Payload"].read())
        assert answer["FunctionError"] == "Unhandled"
        assert body["errorType"] == "Runtime.ImportModuleError"
        assert "No module named 'absent'" in body["errorMessage"]


# --- Node.js ---------------------------------------------------------------------

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


@holds(
    "Lambda",
    "Define Lambda function handler in Node.js",
    "CommonJS, ES module, async and callback handlers run",
    "partial",
    "on the Node.js that is installed, without the AWS SDK that Lambda brings along",
)
@needs_node
@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("handler.js", "exports.handler = async (event) => [event, process.version];"),
        ("handler.mjs", "export const handler = async (event) => [event, process.version];"),
        ("handler.js", "exports.handler = (e, c, done) => done(null, [e, process.version]);"),
    ],
    ids=["commonjs", "module", "callback"],
)
def test_nodejs_handlers(lab: Lab, file: str, source: str) -> None:
    """ "Define Lambda function handler in Node.js"."""
    name = lab.make(source, file, Runtime="nodejs20.x")
    event, version = lab.invoke(name, {"a": [1]})
    assert event == {"a": [1]}
    assert version.startswith("v")


@holds(
    "Lambda",
    "Log and monitor Node.js Lambda functions",
    "console lines carry time, request id and level",
)
@needs_node
def test_nodejs_logs_carry_the_request_id(lab: Lab) -> None:
    """ "Log and monitor Node.js Lambda functions"."""
    source = "exports.handler = async () => { console.log('hello'); };"
    name = lab.make(source, "handler.js", Runtime="nodejs20.x")
    answer = lab.client.invoke(FunctionName=name, LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode().splitlines()
    request = log[0].split()[2]
    assert log[1].split("\t")[1:] == [request, "INFO", "hello"]


@needs_node
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("Promise.reject(new Error('lost'))", "Runtime.UnhandledPromiseRejection"),
        ("setTimeout(() => { throw new Error('late') }, 1)", "Error"),
        ("process.exit(3)", "Runtime.ExitError"),
    ],
    ids=["rejection", "exception", "exit"],
)
@holds(
    "Lambda",
    "Troubleshoot execution issues in Lambda",
    "What a Node.js function does not catch ends its environment with the error's type",
)
def test_nodejs_errors_that_nobody_catches(lab: Lab, body: str, kind: str) -> None:
    """ "Troubleshoot execution issues in Lambda"."""
    source = (
        f"exports.handler = async (event) => {{ if (event) return event; {body};"
        " await new Promise((done) => setTimeout(done, 60000)); };"
    )
    name = lab.make(source, "handler.js", Runtime="nodejs20.x")
    assert lab.invoke(name, 0)["errorType"] == kind
    assert lab.invoke(name, 7) == 7
