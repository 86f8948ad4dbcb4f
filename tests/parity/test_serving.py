"""Functions, load balancers and HTTP APIs: a finished stack is a serving stack."""

from __future__ import annotations

import base64
import io
import json
import urllib.error
import urllib.request
import zipfile
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.templates import HANDLER, ROLE, balanced, function, role, template
from tests.waiting import PATIENCE, wait_until

from fairway.cloud.launch import read_status

pytestmark = pytest.mark.slow


def ask(method: str, url: str) -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, data=b"" if method == "POST" else None)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def zipped(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("handler.py", source)
    return buffer.getvalue()


@holds(
    "Elastic Load Balancing",
    "Listener rules for your Application Load Balancer",
    "requests reach the function that a rule names, also after an update",
)
def test_load_balancer_serves_and_follows_changes(cloud: Cloud, stack: str) -> None:
    deployed = balanced(BUCKET, cloud.upload(HANDLER))
    assert cloud.deploy(stack, deployed) == "CREATE_COMPLETE", cloud.failures(stack)
    url = cloud.outputs(stack)["Url"]
    status, stamp = ask("POST", f"{url}/app")
    assert status == 200
    assert ask("GET", f"{url}/app") == (200, json.dumps([stamp]))
    assert ask("GET", f"{url}/other") == (404, "nothing")
    assert ask("DELETE", f"{url}/app")[0] == 404

    described = cloud.client("elbv2").describe_load_balancers(
        LoadBalancerArns=[cloud.resource(stack, "Balancer")]
    )["LoadBalancers"][0]
    assert f"http://{described['DNSName']}" == url
    health = cloud.client("elbv2").describe_target_health(
        TargetGroupArn=cloud.resource(stack, "Targets")
    )["TargetHealthDescriptions"]
    assert [h["Target"]["Id"].endswith(cloud.resource(stack, "Api")) for h in health] == [True]

    default = deployed["Resources"]["Listener"]["Properties"]["DefaultActions"][0]
    default["FixedResponseConfig"]["MessageBody"] = "changed"
    assert cloud.deploy(stack, deployed) == "UPDATE_COMPLETE"
    assert ask("GET", f"{url}/other") == (404, "changed")

    assert cloud.delete(stack) == "DELETE_COMPLETE"
    with pytest.raises(urllib.error.URLError):
        ask("GET", f"{url}/other")


@holds(
    "Lambda",
    "UpdateFunctionCode",
    "new code answers the next invocation",
    "partial",
    "on AWS some seconds may pass, with LastUpdateStatus InProgress",
)
def test_code_update_by_api_takes_effect_at_once(cloud: Cloud, stack: str) -> None:
    cloud.deploy(stack, balanced(BUCKET, cloud.upload(HANDLER)))
    url, name = cloud.outputs(stack)["Url"], cloud.resource(stack, "Api")
    changed = 'def handler(event, context):\n    return {"statusCode": 200, "body": "new code"}\n'
    cloud.client("lambda").update_function_code(FunctionName=name, ZipFile=zipped(changed))
    assert ask("GET", f"{url}/app") == (200, "new code")


@holds("CloudFormation", "Stack failure options", "a failed update is rolled back to the old code")
def test_failed_update_serves_the_old_code(cloud: Cloud, stack: str) -> None:
    deployed = balanced(BUCKET, cloud.upload(HANDLER))
    cloud.deploy(stack, deployed)
    url = cloud.outputs(stack)["Url"]
    _, stamp = ask("POST", f"{url}/app")
    deployed["Resources"]["Api"]["Properties"]["Code"]["S3Key"] = cloud.upload("def handler(): x")
    deployed["Resources"]["Broken"] = function(BUCKET, "absent.zip") | {"DependsOn": "Api"}
    assert cloud.deploy(stack, deployed) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("S3 Error Code: NoSuchKey" in reason for reason in cloud.failures(stack))
    assert ask("GET", f"{url}/app") == (200, json.dumps([stamp]))


ECHO = """
import json
def handler(event, context):
    print("hello from", context.function_name)
    if event.get("fail"):
        raise ValueError("as asked")
    return {"event": event, "version": context.function_version}
"""


def deploy_echo(cloud: Cloud, stack: str, **properties: Any) -> str:
    sends = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    resources = {"Role": role(sends), "F": function(BUCKET, cloud.upload(ECHO), **properties)}
    assert cloud.deploy(stack, template(resources)) == "CREATE_COMPLETE", cloud.failures(stack)
    return cloud.resource(stack, "F")


@holds("Lambda", "AWS::Lambda::Function", "every setting that a template names is kept and shown")
def test_function_settings(cloud: Cloud, stack: str) -> None:
    name = deploy_echo(
        cloud,
        stack,
        ReservedConcurrentExecutions=2,
        DeadLetterConfig={"TargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead"},
        VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
        KmsKeyArn="arn:aws:kms:eu-west-1:000000000000:key/k",
        LoggingConfig={"LogGroup": f"/own/{stack}"},
    )
    client = cloud.client("lambda")
    found = client.get_function(FunctionName=name)
    assert found["Concurrency"]["ReservedConcurrentExecutions"] == 2
    config = found["Configuration"]
    assert config["DeadLetterConfig"]["TargetArn"].endswith(":dead")
    assert config["VpcConfig"]["SubnetIds"] == ["subnet-1"]
    assert config["KMSKeyArn"].endswith(":key/k")
    assert config["LoggingConfig"]["LogGroup"] == f"/own/{stack}"


@holds("Lambda", "Invoke", "the answer carries result, error kind and log tail")
def test_invoke_runs_in_our_workers(cloud: Cloud, stack: str) -> None:
    name = deploy_echo(cloud, stack)
    client = cloud.client("lambda")
    answer = client.invoke(FunctionName=name, Payload=b'{"a": 1}', LogType="Tail")
    assert json.loads(answer["Payload"].read()) == {"event": {"a": 1}, "version": "$LATEST"}
    assert f"hello from {name}" in base64.b64decode(answer["LogResult"]).decode()

    failed = client.invoke(FunctionName=name, Payload=b'{"fail": true}')
    assert failed["FunctionError"] == "Unhandled"
    assert json.loads(failed["Payload"].read())["errorMessage"] == "as asked"

    def lines() -> str:
        events = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")
        return "\n".join(e["message"] for e in events["events"])

    wait_until(lambda: lines().count("REPORT RequestId") == 2, "two REPORT lines")
    assert f"hello from {name}" in lines()


@holds(
    "Lambda",
    "Configuring reserved concurrency for a function",
    "a function with no concurrency is throttled",
)
def test_reserved_zero_is_throttled(cloud: Cloud, stack: str) -> None:
    name = deploy_echo(cloud, stack, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as caught:
        cloud.client("lambda").invoke(FunctionName=name)
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429


@holds("Lambda", "Manage Lambda function versions", "a version is frozen, and an alias leads to it")
def test_versions_and_aliases(cloud: Cloud, stack: str) -> None:
    resources = {
        "Role": ROLE,
        "F": function(BUCKET, cloud.upload(ECHO)),
        "V": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}},
        "A": {
            "Type": "AWS::Lambda::Alias",
            "Properties": {
                "FunctionName": {"Ref": "F"},
                "FunctionVersion": {"Fn::GetAtt": ["V", "Version"]},
                "Name": "live",
            },
        },
    }
    assert cloud.deploy(stack, template(resources)) == "CREATE_COMPLETE", cloud.failures(stack)
    answer = cloud.client("lambda").invoke(
        FunctionName=cloud.resource(stack, "F"), Qualifier="live", Payload=b"{}"
    )
    assert json.loads(answer["Payload"].read())["version"] == "1"


@holds("Lambda", "CreateFunction", "code that is missing or unreadable is refused")
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ({"S3Bucket": BUCKET, "S3Key": "absent.zip"}, "S3 Error Code: NoSuchKey"),
        ({"S3Bucket": "no-such-bucket-here", "S3Key": "a.zip"}, "S3 Error Code: NoSuchBucket"),
        ({"S3Bucket": BUCKET, "S3Key": "junk.zip"}, "Could not unzip uploaded file"),
    ],
)
def test_bad_code_fails_the_stack(
    cloud: Cloud, stack: str, code: dict[str, str], message: str
) -> None:
    cloud.client("s3").put_object(Bucket=BUCKET, Key="junk.zip", Body=b"junk")
    resources = {"Role": ROLE, "F": function(BUCKET, "x", Code=code)}
    assert cloud.deploy(stack, template(resources)) == "ROLLBACK_COMPLETE"
    assert any(message in reason for reason in cloud.failures(stack))


@holds(
    "API Gateway",
    "Create routes for HTTP APIs in API Gateway",
    "routes with parameters reach their function",
)
def test_http_api_serves(cloud: Cloud, stack: str) -> None:
    api = {"Ref": "Http"}
    resources = {
        "Role": ROLE,
        "F": function(BUCKET, cloud.upload(ECHO)),
        "Http": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {"Name": stack, "ProtocolType": "HTTP"},
        },
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": api,
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": {"Fn::GetAtt": ["F", "Arn"]},
                "PayloadFormatVersion": "2.0",
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": api,
                "RouteKey": "GET /things/{id}",
                "Target": {"Fn::Sub": "integrations/${Integration}"},
            },
        },
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": api, "StageName": "$default", "AutoDeploy": True},
        },
        "Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Ref": "F"},
                "Principal": "apigateway.amazonaws.com",
            },
        },
    }
    outputs = {"Url": {"Fn::GetAtt": ["Http", "ApiEndpoint"]}}
    assert cloud.deploy(stack, template(resources, outputs)) == "CREATE_COMPLETE"
    url = cloud.outputs(stack)["Url"]
    status, body = ask("GET", f"{url}/things/7")
    assert status == 200
    assert json.loads(body)["event"]["pathParameters"] == {"id": "7"}
    assert ask("GET", f"{url}/nothing")[0] == 404
    listed = cloud.client("apigatewayv2").get_api(ApiId=cloud.resource(stack, "Http"))
    assert listed["ApiEndpoint"] == url


@holds(
    "CloudFormation",
    "AWS resource and property types reference",
    "what has no effect here is told in the status",
    "partial",
    "AWS has no such types; their sentences stand in `fairway status`",
)
def test_status_tells_what_is_only_recorded(cloud: Cloud, stack: str) -> None:
    cloud.deploy(stack, balanced(BUCKET, cloud.upload(HANDLER)))
    status = read_status(cloud.info)
    assert "neither carry nor filter" in status["recorded"]["AWS::EC2::SecurityGroup"]
    assert cloud.resource(stack, "Api") in {f["name"] for f in status["functions"]}
    assert cloud.outputs(stack)["Url"] in {entry["url"] for entry in status["listeners"]}


@holds(
    "Local cloud",
    "Signing AWS API requests",
    "a web page of another site cannot reach the APIs",
    "partial",
    "AWS relies on signatures alone",
)
@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}],
    ids=["host", "origin"],
)
@pytest.mark.parametrize("path", ["/_fairway/status", "/"])
def test_foreign_pages_are_turned_away(cloud: Cloud, headers: dict[str, str], path: str) -> None:
    request = urllib.request.Request(cloud.info.endpoint + path, headers=headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=PATIENCE)
    assert caught.value.code == 403
