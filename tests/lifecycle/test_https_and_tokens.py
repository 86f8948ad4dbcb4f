"""HTTPS with a local certificate, and tokens of an issuer, from fairway.yml to the answer."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from tests.lifecycle.applications import Application
from tests.parity.issuers import Issuer, open_issuer
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

SOURCE = """
import json
def handler(event, context):
    context = event["requestContext"]
    said = {"proto": event["headers"]["x-forwarded-proto"], "auth": context.get("authorizer")}
    return {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": json.dumps(said)}
"""
DEFINITION = """
app: shop
encryption: aws-key
components:
  api: {{type: function, handler: app.handler, runtime: python3.11}}
  web:
    type: load-balancer
    routes: {{GET /: api}}
  http:
    type: http-api
    auth: {{issuer: "{issuer}", audience: api, scopes: [orders], public: [GET /health]}}
    routes: {{GET /health: api, GET /orders: api}}
environments:
  local:
    components:
      web: {{certificate: "arn:aws:acm:us-east-1:000000000000:certificate/local"}}
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with open_issuer() as opened:
        yield opened


@pytest.fixture(scope="module")
def app(write_app: Callable[..., Application], issuer: Issuer) -> Application:
    made = write_app(DEFINITION.format(issuer=issuer.url), SOURCE)
    made.apply()
    return made


def ask(app: Application, url: str, token: str | None = None) -> tuple[int, str]:
    trust = ssl.create_default_context(cafile=app.directory / ".fairway" / "ca.pem")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE, context=trust) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_printed_address_opens_over_https(app: Application) -> None:
    url = app.url("web")
    assert url.startswith("https://127.0.0.1:")
    status, body = ask(app, url)
    assert (status, json.loads(body)["proto"]) == (200, "https")
    # The address without its s leads there too, through the redirect of port 80.
    assert ask(app, url.replace("https:", "http:")) == (status, body)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_trusts_the_local_authority(app: Application) -> None:
    command = ["curl", "-sS", "--cacert", ".fairway/ca.pem", app.url("web")]
    done = subprocess.run(command, cwd=app.directory, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["proto"] == "https"


def test_routes_ask_for_tokens_but_for_public_ones(app: Application, issuer: Issuer) -> None:
    url = app.url("http")
    assert ask(app, f"{url}/health")[0] == 200
    assert ask(app, f"{url}/orders") == (401, '{"message":"Unauthorized"}')
    assert ask(app, f"{url}/orders", issuer.sign())[0] == 403
    status, body = ask(app, f"{url}/orders", issuer.sign(scope="orders"))
    assert status == 200
    token = json.loads(body)["auth"]["jwt"]
    assert (token["claims"]["sub"], token["scopes"]) == ("ann", ["orders"])


def test_address_and_authority_outlive_a_restart(app: Application) -> None:
    url, authority = app.url("web"), (app.directory / ".fairway" / "ca.pem").read_bytes()
    app.fairway("down").expect()
    app.apply()
    assert app.url("web") == url
    assert (app.directory / ".fairway" / "ca.pem").read_bytes() == authority
    assert ask(app, url)[0] == 200
