"""JWT authorizers of HTTP APIs, against a real issuer on loopback."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.issuers import Issuer, open_issuer
from tests.parity.templates import ROLE, Template, function, template
from tests.waiting import PATIENCE, wait_until

from fairway.cloud.launch import read_status

pytestmark = pytest.mark.slow

SERVICE = "API Gateway"
PAGE = "Control access to HTTP APIs with JWT authorizers in API Gateway"
ECHO = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event["requestContext"].get("authorizer"))}
"""


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with open_issuer() as opened:
        yield opened


def ask(
    url: str, token: str | None = None, *, method: str = "GET", **headers: str
) -> tuple[int, Message, Any]:
    """Status, headers and the body read as JSON."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        given["Authorization"] = token
    request = urllib.request.Request(url, method=method, headers=given)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.headers, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read())


def operation(payload: str = "2.0", **more: Any) -> Template:
    uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations"
    return {
        "x-amazon-apigateway-integration": {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "uri": {"Fn::Sub": uri},
            "payloadFormatVersion": payload,
        },
        **more,
    }


def guarded(cloud: Cloud, body: Template | None, **more: Template) -> Template:
    """An API in front of a function that answers with its authorizer's findings."""
    api = {"Ref": "Http"}
    properties = {"Body": body} if body else {"Name": "raw", "ProtocolType": "HTTP"}
    resources = {
        "Role": ROLE,
        "F": function(BUCKET, cloud.upload(ECHO)),
        "Http": {"Type": "AWS::ApiGatewayV2::Api", "Properties": properties},
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
        **more,
    }
    return template(resources, {"Url": {"Fn::GetAtt": ["Http", "ApiEndpoint"]}})


def describe(issuer: Issuer, **paths: Template) -> Template:
    """An OpenAPI document with the authorizer `users`."""
    return {
        "openapi": "3.0.1",
        "info": {"title": "guarded", "version": "1"},
        "components": {
            "securitySchemes": {
                "users": {
                    "type": "oauth2",
                    "x-amazon-apigateway-authorizer": {
                        "type": "jwt",
                        "identitySource": "$request.header.Authorization",
                        "jwtConfiguration": {"issuer": issuer.url, "audience": ["api", "other"]},
                    },
                }
            }
        },
        "paths": {f"/{name}": {"get": path} for name, path in paths.items()},
    }


def deploy(cloud: Cloud, stack: str, issuer: Issuer, **document: Any) -> str:
    body = describe(
        issuer,
        open=operation(),
        me=operation(security=[{"users": []}]),
        old=operation("1.0", security=[{"users": []}]),
        admin=operation(security=[{"users": ["admin", "root"]}]),
    )
    deployed = guarded(cloud, {**body, **document})
    assert cloud.deploy(stack, deployed) == "CREATE_COMPLETE", cloud.failures(stack)
    return cloud.outputs(stack)["Url"]


@holds(SERVICE, PAGE, "a good token is admitted, with Bearer before it or without")
def test_a_good_token(cloud: Cloud, stack: str, issuer: Issuer) -> None:
    url = deploy(cloud, stack, issuer)
    token = issuer.sign(nested={"a": [1, True]}, aud=["x", "other"])
    for given in (token, f"Bearer {token}"):
        status, _, found = ask(f"{url}/me", given)
        assert status == 200
        assert found["jwt"]["claims"]["sub"] == "ann"
    assert ask(f"{url}/open")[::2] == (200, None)
    for algorithm in ("RS384", "RS512"):
        assert ask(f"{url}/me", issuer.sign(alg=algorithm))[0] == 200


@holds(SERVICE, PAGE, "functions get claims as text, and scopes where the route asks for them")
def test_claims_reach_the_function(cloud: Cloud, stack: str, issuer: Issuer) -> None:
    url = deploy(cloud, stack, issuer)
    token = issuer.sign(scope="admin mail", groups=["a", "b"], verified=True, aud="api")
    claims = ask(f"{url}/me", token)[2]["jwt"]["claims"]
    assert all(isinstance(value, str) for value in claims.values())
    assert (claims["groups"], claims["verified"]) == ("[a b]", "true")
    assert claims["exp"].isdecimal()
    assert ask(f"{url}/me", token)[2]["jwt"]["scopes"] is None
    assert ask(f"{url}/admin", token)[2]["jwt"]["scopes"] == ["admin", "mail"]
    old = ask(f"{url}/old", token)[2]
    assert (old["claims"], old["scopes"]) == (claims, None)


@holds(
    SERVICE,
    "Troubleshooting issues with HTTP API JWT authorizers",
    "a token that is not good is answered 401, and the challenge says why",
    "partial",
    "AWS documents the description of a wrong audience only; the others are in our words",
)
@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "stranger"}, "the token does not have a valid audience"),
        ({"aud": None}, "the token does not have a valid audience"),
        ({"aud": "stranger", "client_id": "api"}, "the token does not have a valid audience"),
        ({"iss": "http://elsewhere.example/"}, "the token does not have a valid issuer"),
        ({"exp": 1_000_000_000}, "the token has expired"),
        ({"nbf": 4_000_000_000}, "the token is not valid yet"),
        ({"iat": 4_000_000_000}, "the token is not valid yet"),
        ({"key": "forged", "kid": "first"}, "the token's signature is invalid"),
        ({"kid": "unknown"}, "the issuer has no key of the token's kid"),
    ],
)
def test_a_bad_token(
    cloud: Cloud, shared: tuple[str, Issuer], claims: dict[str, Any], reason: str
) -> None:
    url, issuer = shared
    status, headers, body = ask(f"{url}/me", issuer.sign(**claims))
    assert (status, body) == (401, {"message": "Unauthorized"})
    expected = f'Bearer scope="" error="invalid_token" error_description="{reason}"'
    assert headers["www-authenticate"] == expected


@pytest.fixture(scope="module")
def shared(cloud: Cloud) -> Iterator[tuple[str, Issuer]]:
    """One stack and one issuer for many cases."""
    with open_issuer() as issuer:
        yield deploy(cloud, "shared-authorizer", issuer), issuer
        cloud.delete("shared-authorizer")


@holds(SERVICE, PAGE, "without a token the answer is 401, and the function is not called")
@pytest.mark.parametrize("token", [None, "", "Bearer ", "nonsense", "a.b.c", "Basic YTpi"])
def test_no_token(shared: tuple[str, Issuer], token: str | None) -> None:
    status, headers, body = ask(f"{shared[0]}/me", token)
    assert (status, body) == (401, {"message": "Unauthorized"})
    assert headers["www-authenticate"].startswith("Bearer")


@holds(SERVICE, PAGE, "a token without a signature, or with one that is not RSA, is refused")
def test_other_algorithms(shared: tuple[str, Issuer]) -> None:
    import jwt

    url, issuer = shared
    good = issuer.sign()
    payload = jwt.decode(good, options={"verify_signature": False})
    for algorithm, key in (("none", None), ("HS256", "k" * 32)):
        token = jwt.encode(payload, key, algorithm, headers={"kid": "first"})
        assert ask(f"{url}/me", token)[0] == 401


@holds(SERVICE, PAGE, "client_id stands in for an audience that is not there")
def test_client_id(shared: tuple[str, Issuer]) -> None:
    url, issuer = shared
    assert ask(f"{url}/me", issuer.sign(aud=None, client_id="api"))[0] == 200


@holds(SERVICE, PAGE, "a token needs one of the route's scopes, in scope or scp, else 403")
def test_scopes(shared: tuple[str, Issuer]) -> None:
    url, issuer = shared
    for claims in ({"scope": "mail root"}, {"scp": ["admin"]}, {"scp": "x admin"}):
        assert ask(f"{url}/admin", issuer.sign(**claims))[0] == 200
    for claims in ({}, {"scope": "administrator"}, {"scp": ["mail"]}):
        status, headers, body = ask(f"{url}/admin", issuer.sign(**claims))
        assert (status, body) == (403, {"message": "Forbidden"})
        assert 'scope="admin root" error="insufficient_scope"' in headers["www-authenticate"]


@holds(SERVICE, PAGE, "a key that the issuer publishes later is found, keys are kept meanwhile")
def test_keys_rotate(cloud: Cloud, stack: str, issuer: Issuer) -> None:
    url = deploy(cloud, stack, issuer)
    for _ in range(3):
        assert ask(f"{url}/me", issuer.sign())[0] == 200
    assert len(issuer.asked) == 2
    issuer.keys["second"] = "second"
    wait_until(
        lambda: ask(f"{url}/me", issuer.sign(key="second"))[0] == 200, "the new key is not found"
    )
    assert ask(f"{url}/me", issuer.sign())[0] == 200


@holds(
    SERVICE,
    "Quotas for configuring and running an HTTP API in API Gateway",
    "an issuer that does not answer in time denies its tokens",
    "partial",
    "AWS refuses to import an issuer it cannot reach; here a notice says why it answers 401",
)
@pytest.mark.parametrize("failure", ["silent", "broken", "gone"])
def test_an_issuer_that_fails(cloud: Cloud, stack: str, failure: str) -> None:
    with open_issuer() as issuer:
        url = deploy(cloud, stack, issuer)
        issuer.broken = failure == "broken"
        if failure == "silent":
            issuer.held.clear()
        elif failure == "gone":
            issuer.stop()
        status, headers, body = ask(f"{url}/me", issuer.sign())
        assert (status, body) == (401, {"message": "Unauthorized"})
        assert "OIDC discovery endpoint communication error" in headers["www-authenticate"]
        assert ask(f"{url}/open")[0] == 200
    told = [notice["text"] for notice in read_status(cloud.info)["notices"]]
    assert any(f"Tokens of {issuer.url} cannot be checked" in text for text in told)


@holds(
    SERVICE,
    "Configure CORS for HTTP APIs in API Gateway",
    "a preflight request needs no token; a refusal carries the CORS headers",
)
def test_preflight_needs_no_token(cloud: Cloud, stack: str, issuer: Issuer) -> None:
    cors = {
        "allowOrigins": ["https://shop.example"],
        "allowMethods": ["*"],
        "allowHeaders": ["authorization"],
    }
    url = deploy(cloud, stack, issuer, **{"x-amazon-apigateway-cors": cors})
    asked = {"Origin": "https://shop.example", "Access_Control_Request_Method": "GET"}
    status, headers, _ = ask(f"{url}/me", method="OPTIONS", **asked)
    assert status == 204
    assert headers["access-control-allow-headers"] == "authorization"
    status, headers, _ = ask(f"{url}/me", Origin="https://shop.example")
    assert (status, headers["access-control-allow-origin"]) == (401, "https://shop.example")


@holds(SERVICE, "AWS::ApiGatewayV2::Authorizer", "an authorizer of its own guards its routes")
def test_raw_authorizer(cloud: Cloud, stack: str, issuer: Issuer) -> None:
    def route(key: str, **more: Any) -> Template:
        target = {"Fn::Sub": "integrations/${Integration}"}
        properties = {"ApiId": {"Ref": "Http"}, "RouteKey": key, "Target": target, **more}
        return {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties}

    guard = {"AuthorizationType": "JWT", "AuthorizerId": {"Ref": "Users"}}
    deployed = guarded(
        cloud,
        None,
        Users={
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": {"Ref": "Http"},
                "AuthorizerType": "JWT",
                "Name": "users",
                "IdentitySource": ["$request.querystring.token"],
                "JwtConfiguration": {"Issuer": issuer.url, "Audience": ["api"]},
            },
        },
        Integration={
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Http"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": {"Fn::GetAtt": ["F", "Arn"]},
                "PayloadFormatVersion": "2.0",
            },
        },
        Me=route("GET /me", **guard),
        Admin=route("GET /admin", **guard, AuthorizationScopes=["admin"]),
        Open=route("GET /open"),
        Other=route("GET /iam", AuthorizationType="AWS_IAM"),
    )
    assert cloud.deploy(stack, deployed) == "CREATE_COMPLETE", cloud.failures(stack)
    url = cloud.outputs(stack)["Url"]
    assert ask(f"{url}/me?token={issuer.sign()}")[0] == 200
    assert ask(f"{url}/me", issuer.sign())[0] == 401
    assert ask(f"{url}/admin?token={issuer.sign()}")[0] == 403
    assert ask(f"{url}/open")[0] == 200
    # A guard that we do not have never leaves its route open.
    assert ask(f"{url}/iam")[0] == 500
    told = [notice["text"] for notice in read_status(cloud.info)["notices"]]
    assert any("'GET /iam' is guarded by something else" in text for text in told)


@holds(
    SERVICE,
    "OpenAPI extension x-amazon-apigateway-authorizer",
    "an update moves guards with the document; an unknown authorizer is refused",
)
def test_guards_follow_the_document(cloud: Cloud, stack: str, issuer: Issuer) -> None:
    body = describe(issuer, one=operation(security=[{"users": []}]), two=operation())
    deployed = guarded(cloud, body)
    assert cloud.deploy(stack, deployed) == "CREATE_COMPLETE", cloud.failures(stack)
    url, api = cloud.outputs(stack)["Url"], cloud.resource(stack, "Http")
    client = cloud.client("apigatewayv2")
    before = client.get_authorizers(ApiId=api)["Items"]
    assert [(a["Name"], a["AuthorizerType"]) for a in before] == [("users", "JWT")]
    assert (ask(f"{url}/one")[0], ask(f"{url}/two")[0]) == (401, 200)
    body["paths"]["/one"]["get"]["security"] = []
    body["security"] = [{"users": []}]
    assert cloud.deploy(stack, deployed) == "UPDATE_COMPLETE", cloud.failures(stack)
    assert (ask(f"{url}/one")[0], ask(f"{url}/two")[0]) == (200, 401)
    after = client.get_authorizers(ApiId=api)["Items"]
    assert [a["AuthorizerId"] for a in after] == [a["AuthorizerId"] for a in before]
    body["security"] = [{"nobody": []}]
    assert cloud.deploy(stack, deployed) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("there is no authorizer 'nobody'" in text for text in cloud.failures(stack))
    assert (ask(f"{url}/one")[0], ask(f"{url}/two")[0]) == (200, 401)
