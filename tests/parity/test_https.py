"""HTTPS listeners: a certificate of this machine, one address for both schemes."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from pathlib import Path

import pytest
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.templates import Template, balanced
from tests.waiting import PATIENCE

from fairway.cloud.launch import read_status

pytestmark = pytest.mark.slow

CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/0a1b2c3d"
EVENT = """
import json
def handler(event, context):
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"},
            "body": json.dumps(event["headers"])}
"""


def secured(bucket: str, key: str) -> Template:
    """A load balancer that answers over HTTPS and redirects from HTTP, as Fairway compiles it."""
    deployed = balanced(bucket, key)
    resources = deployed["Resources"]
    resources["Api"]["Properties"].pop("Environment")
    plain = resources["Listener"]["Properties"]
    resources["Secure"] = {
        "Type": "AWS::ElasticLoadBalancingV2::Listener",
        "Properties": {
            "LoadBalancerArn": {"Ref": "Balancer"},
            "Port": 443,
            "Protocol": "HTTPS",
            "Certificates": [{"CertificateArn": CERTIFICATE}],
            "DefaultActions": plain["DefaultActions"],
        },
    }
    resources["Rule"]["Properties"]["ListenerArn"] = {"Ref": "Secure"}
    plain["DefaultActions"] = [
        {
            "Type": "redirect",
            "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"},
        }
    ]
    deployed["Outputs"]["Url"] = {"Value": {"Fn::Sub": "https://${Balancer.DNSName}"}}
    deployed["Outputs"]["Plain"] = {"Value": {"Fn::Sub": "http://${Balancer.DNSName}"}}
    return deployed


def get(cloud: Cloud, url: str) -> tuple[http.client.HTTPResponse, bytes]:
    """One answer; over HTTPS only when the local authority signed for the address."""
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname is not None
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        trust = ssl.create_default_context(cafile=Path(cloud.info.directory) / "ca.pem")
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=PATIENCE, context=trust
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@holds(
    "Elastic Load Balancing",
    "Create an HTTPS listener for your Application Load Balancer",
    "an HTTPS listener serves over TLS and tells the function so",
    "partial",
    "the certificate is a local one, whatever its ARN says, and 443 is a local port",
)
def test_https_listener_serves(cloud: Cloud, stack: str) -> None:
    deployed = secured(BUCKET, cloud.upload(EVENT))
    assert cloud.deploy(stack, deployed) == "CREATE_COMPLETE", cloud.failures(stack)
    url = cloud.outputs(stack)["Url"]
    for base in (url, url.replace("127.0.0.1", "localhost")):
        answer, body = get(cloud, f"{base}/app")
        assert answer.status == 200
        headers = json.loads(body)
        assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("https", "443")
    assert url in {entry["url"] for entry in read_status(cloud.info)["listeners"]}
    assert (Path(cloud.info.directory) / "ca-key.pem").stat().st_mode & 0o777 == 0o600


@holds(
    "Elastic Load Balancing",
    "Action types for listener rules",
    "a redirect from HTTP to HTTPS leads to the HTTPS listener",
    "partial",
    "in place of 443 it names the local port",
)
def test_redirect_leads_to_https(cloud: Cloud, stack: str) -> None:
    assert cloud.deploy(stack, secured(BUCKET, cloud.upload(EVENT))) == "CREATE_COMPLETE"
    plain, url = cloud.outputs(stack)["Plain"], cloud.outputs(stack)["Url"]
    answer, _ = get(cloud, f"{plain}/app?a=1")
    location = answer.headers["Location"]
    assert (answer.status, location) == (301, f"{url}/app?a=1")
    assert get(cloud, location)[0].status == 200


@holds(
    "Elastic Load Balancing",
    "Troubleshoot your Application Load Balancers",
    "plain HTTP on an HTTPS port is answered 400",
)
def test_plain_http_on_an_https_port(cloud: Cloud, stack: str) -> None:
    deployed = secured(BUCKET, cloud.upload(EVENT))
    del deployed["Resources"]["Listener"]
    assert cloud.deploy(stack, deployed) == "CREATE_COMPLETE", cloud.failures(stack)
    answer, body = get(cloud, cloud.outputs(stack)["Plain"] + "/app")
    assert answer.status == 400
    assert b"The plain HTTP request was sent to HTTPS port" in body
    assert get(cloud, cloud.outputs(stack)["Url"] + "/app")[0].status == 200


@holds(
    "Elastic Load Balancing",
    "Update an HTTPS listener for your Application Load Balancer",
    "a listener that turns to HTTPS, and back, is served that way at once",
)
def test_protocol_changes_in_place(cloud: Cloud, stack: str) -> None:
    deployed = secured(BUCKET, cloud.upload(EVENT))
    del deployed["Resources"]["Listener"]
    secure = deployed["Resources"]["Secure"]["Properties"]
    over_http = {**secure, "Port": 80, "Protocol": "HTTP"}
    del over_http["Certificates"]
    deployed["Resources"]["Secure"]["Properties"] = over_http
    assert cloud.deploy(stack, deployed) == "CREATE_COMPLETE", cloud.failures(stack)
    plain, url = cloud.outputs(stack)["Plain"], cloud.outputs(stack)["Url"]
    assert get(cloud, f"{plain}/app")[0].status == 200
    deployed["Resources"]["Secure"]["Properties"] = secure
    assert cloud.deploy(stack, deployed) == "UPDATE_COMPLETE", cloud.failures(stack)
    assert cloud.outputs(stack)["Url"] == url
    assert get(cloud, f"{url}/app")[0].status == 200
    assert get(cloud, f"{plain}/app")[0].status == 400
    deployed["Resources"]["Secure"]["Properties"] = over_http
    assert cloud.deploy(stack, deployed) == "UPDATE_COMPLETE", cloud.failures(stack)
    assert get(cloud, f"{plain}/app")[0].status == 200


@holds("Elastic Load Balancing", "CreateListener", "an HTTPS listener needs a certificate")
def test_https_needs_a_certificate(cloud: Cloud, stack: str) -> None:
    deployed = secured(BUCKET, cloud.upload(EVENT))
    del deployed["Resources"]["Secure"]["Properties"]["Certificates"]
    assert cloud.deploy(stack, deployed) == "ROLLBACK_COMPLETE"
    assert any("A certificate must be specified" in text for text in cloud.failures(stack))
