"""The tools of the definition-to-artifact bench: the project each gets, the command it runs.

Every project says the same: N Python functions, each of its own handler in one shared directory,
each behind a route `GET /f<number>` of an HTTP API, none with third-party packages. An HTTP API
takes 300 routes ("Quotas for HTTP APIs"): ours, which would be refused, has one for each 250.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from install_peers import install_node_peers, install_python_peer, make_environment

HANDLER = '''"""Function {number} of run {nonce}."""


def handler(event, context):
    return {{"statusCode": 200, "headers": {{"content-type": "text/plain"}}, "body": "{number}"}}
'''

ROUTES_AN_API = 250

Command = tuple[list[str], dict[str, str]]


@dataclass(frozen=True)
class Builder:
    """One tool: writes a project, names its command, counts what the command made.

    `generate(place, functions, nonce)`: the nonce makes each project's content new, so that no
    cache outside of the project knows it. `count(place)` gives the CloudFormation resources,
    a number for each template.
    """

    name: str
    about: str
    generate: Callable[[Path, int, str], None]
    prepare: Callable[[], Command]
    count: Callable[[Path], list[int]]


def write_handlers(place: Path, functions: int, nonce: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for number in range(functions):
        (place / f"f{number}.py").write_text(HANDLER.format(number=number, nonce=nonce))


def count_resources(*templates: Path) -> list[int]:
    """Resources in each of some CloudFormation templates written as JSON."""
    return [len(json.loads(path.read_text())["Resources"]) for path in templates]


def generate_ours(place: Path, functions: int, nonce: str) -> None:
    write_handlers(place / "src", functions, nonce)
    lines = ["app: bench", "owner: bench", "environments:", "  poc: {}", "components:"]
    for number in range(functions):
        lines += [f"  f{number}:", "    type: function", f"    handler: f{number}.handler"]
        lines += ["    runtime: python3.11", "    memory: 128MB"]
    for first in range(0, functions, ROUTES_AN_API):
        lines += [f"  web{first}:", "    type: http-api", "    routes:"]
        numbers = range(first, min(first + ROUTES_AN_API, functions))
        lines += [f"      GET /f{number}: f{number}" for number in numbers]
    (place / "fairway.yml").write_text("\n".join(lines) + "\n")


def prepare_ours(*arguments: str) -> Command:
    """A command of ours without credentials: with them, `plan` would ask AWS."""
    bin_dir = Path(sys.executable).parent
    env = {k: v for k, v in make_environment(bin_dir).items() if not k.startswith("AWS_")}
    return [str(bin_dir / "fairway"), *arguments], env


def prepare_plan() -> Command:
    """What users run: define, check, compile, bundle, plan; no account."""
    return prepare_ours("plan", "-e", "poc")


def prepare_compile() -> Command:
    """Only the templates."""
    return prepare_ours("compile", "-e", "poc", "--out", "out")


def count_ours(place: Path) -> list[int]:
    """`plan` writes no templates, so they are written for counting, after the clock."""
    command, env = prepare_compile()
    subprocess.run(command, cwd=place, env=env, capture_output=True, check=True)
    return count_resources(*sorted((place / "out").glob("*.json")))


def generate_osls(place: Path, functions: int, nonce: str) -> None:
    write_handlers(place, functions, nonce)
    described: dict[str, Any] = {
        "service": "bench",
        "frameworkVersion": "*",
        "provider": {"name": "aws", "runtime": "python3.11", "memorySize": 128},
        "functions": {
            f"f{number}": {
                "handler": f"f{number}.handler",
                "events": [{"httpApi": f"GET /f{number}"}],
            }
            for number in range(functions)
        },
    }
    (place / "serverless.json").write_text(json.dumps(described, indent=1))


def prepare_osls() -> Command:
    modules = install_node_peers()
    return [str(modules / ".bin/osls"), "package"], make_environment(modules / ".bin")


def count_osls(place: Path) -> list[int]:
    return count_resources(place / ".serverless/cloudformation-template-update-stack.json")


def generate_sam(place: Path, functions: int, nonce: str) -> None:
    write_handlers(place / "src", functions, nonce)
    (place / "src/requirements.txt").write_text("")
    resources = {
        f"F{number}": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Handler": f"f{number}.handler",
                "Runtime": "python3.11",
                "CodeUri": "src/",
                "MemorySize": 128,
                "Events": {
                    "Get": {
                        "Type": "HttpApi",
                        "Properties": {"Method": "GET", "Path": f"/f{number}"},
                    }
                },
            },
        }
        for number in range(functions)
    }
    template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": resources}
    # JSON is YAML; `sam build` looks for template.yaml.
    (place / "template.yaml").write_text(json.dumps(template, indent=1))


def prepare_sam() -> Command:
    bin_dir = install_python_peer("sam")
    return [str(bin_dir / "sam"), "build", "--cached", "--parallel"], make_environment(bin_dir)


def count_sam(place: Path) -> list[int]:
    """Before SAM's expansion on AWS, which multiplies them: role, permission, API and so on."""
    built = (place / ".aws-sam/build/template.yaml").read_text()
    return [built.count("Type: AWS::Serverless::Function")]


CDK_APP = """from aws_cdk import App, Stack
from aws_cdk import aws_apigatewayv2 as gateway
from aws_cdk import aws_lambda as functions
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration

app = App(analytics_reporting=False)
stack = Stack(app, "bench")
api = gateway.HttpApi(stack, "Api")
code = functions.Code.from_asset("src")
for number in range({functions}):
    function = functions.Function(
        stack,
        f"F{{number}}",
        runtime=functions.Runtime.PYTHON_3_11,
        handler=f"f{{number}}.handler",
        code=code,
        memory_size=128,
    )
    api.add_routes(
        path=f"/f{{number}}",
        methods=[gateway.HttpMethod.GET],
        integration=HttpLambdaIntegration(f"I{{number}}", function),
    )
app.synth()
"""


def generate_cdk(place: Path, functions: int, nonce: str) -> None:
    write_handlers(place / "src", functions, nonce)
    (place / "app.py").write_text(CDK_APP.format(functions=functions))
    (place / "cdk.json").write_text(json.dumps({"app": "python app.py"}))


def prepare_cdk() -> Command:
    modules, bin_dir = install_node_peers(), install_python_peer("cdk")
    command = [str(modules / ".bin/cdk"), "synth", "--quiet", "--no-notices"]
    return [*command, "--no-version-reporting"], make_environment(bin_dir, modules / ".bin")


def count_cdk(place: Path) -> list[int]:
    return count_resources(place / "cdk.out/bench.template.json")


def generate_chalice(place: Path, functions: int, nonce: str) -> None:
    """Chalice puts all routes into one function; that is its design, and the count shows it."""
    lines = [f'"""Run {nonce}."""', "", "from chalice import Chalice, Response", ""]
    lines += ['app = Chalice(app_name="bench")', ""]
    for number in range(functions):
        lines += ["", f'@app.route("/f{number}")', f"def f{number}():"]
        lines += [f'    return Response("{number}", headers={{"Content-Type": "text/plain"}})', ""]
    (place / ".chalice").mkdir(parents=True)
    (place / ".chalice/config.json").write_text(
        json.dumps({"version": "2.0", "app_name": "bench", "stages": {"dev": {}}})
    )
    (place / "app.py").write_text("\n".join(lines))
    (place / "requirements.txt").write_text("")


def prepare_chalice() -> Command:
    bin_dir = install_python_peer("chalice")
    return [str(bin_dir / "chalice"), "package", "out"], make_environment(bin_dir)


def count_chalice(place: Path) -> list[int]:
    return count_resources(place / "out/sam.json")


BUILDERS = {
    builder.name: builder
    for builder in (
        Builder("ours", "fairway plan -e poc", generate_ours, prepare_plan, count_ours),
        Builder(
            "ours-compile",
            "fairway compile -e poc --out out",
            generate_ours,
            prepare_compile,
            count_ours,
        ),
        Builder("osls", "osls package", generate_osls, prepare_osls, count_osls),
        Builder("sam", "sam build --cached --parallel", generate_sam, prepare_sam, count_sam),
        Builder("cdk", "cdk synth --quiet", generate_cdk, prepare_cdk, count_cdk),
        Builder("chalice", "chalice package out", generate_chalice, prepare_chalice, count_chalice),
    )
}
