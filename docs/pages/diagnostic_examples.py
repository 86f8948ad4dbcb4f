"""For each code of a diagnostic a small application that gets it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CODE = {"src/app.py": "def handler(event, context): ...\n", "src/bad.py": "def handler(:\n"}
API = "api: {type: function, handler: app.handler}"


@dataclass(frozen=True)
class Example:
    """meaning: a sentence. text: fairway.yml. shown: whether the page prints it."""

    meaning: str
    text: str
    shown: bool = True
    environment: str = "local"
    files: Mapping[str, str] = field(default_factory=dict)


def _parts(*components: str, top: str = "") -> str:
    """A file with these components, one a line, and `top` above them."""
    lines = "".join(f"  {line}\n" for part in components for line in part.split("\n"))
    return f"app: shop\n{top}components:\n{lines}"


def _function(more: str) -> str:
    return _parts(f"api: {{type: function, handler: app.handler, {more}}}")


def _routes(kind: str, *routes: str, function: str = API) -> str:
    lines = "\n".join(f"    {route}" for route in routes)
    return _parts(function, f"web:\n  type: {kind}\n  routes:\n{lines}")


def _guarded(more: str) -> str:
    return _parts(
        API,
        "web:\n  type: http-api\n  routes: {GET /health: api, ANY /x: api}\n"
        f"  auth: {{issuer: https://tenant.example/, audience: api, {more}}}",
    )


_ROOT = "app: shop\nservices: [services/*]\n"
_TABLE = "components: {rows: {type: table, partition_key: id}}\n"


def _of_root(meaning: str, text: str = _ROOT, **services: str) -> Example:
    """A root, with the files of services by their folders."""
    files = {f"services/{name}/fairway.yml": more for name, more in services.items()}
    return Example(meaning, text, files=files)


EXAMPLES = {
    "bad-pattern": _of_root(
        "A pattern for the folders of services leaves the root, or does not name each level.",
        "app: shop\nservices: [../other/*]\n",
    ),
    "environment-not-in-root": _of_root(
        "A service names an environment that its root does not have. Which ones there are, the "
        "root says; here `services/orders` has `environments: {prd: {}}`.",
        orders=f"app: orders\nenvironments: {{prd: {{}}}}\n{_TABLE}",
    ),
    "is-root": _of_root(
        "What is about one application was asked of a root of services.",
        orders=f"app: orders\n{_TABLE}",
    ),
    "nested-services": _of_root(
        "A service has `services` itself; here `services/orders` has.",
        orders="app: orders\nservices: [more/*]\n",
    ),
    "no-service": _of_root(
        "A pattern matches no folder, or one without a fairway.yml of its own.",
    ),
    "not-in-root": _of_root(
        "A root has what only services have: components, a network, what to expect, resources.",
        f"{_ROOT}network: {{cidr: 10.0.0.0/20}}\n",
    ),
    "service-twice": _of_root(
        "Two services have one name, or names whose stacks would be called alike in two "
        "environments; here both are `app: orders`.",
        a=f"app: orders\n{_TABLE}",
        b=f"app: orders\n{_TABLE}",
    ),
    "alias": Example("An alias has no anchor before it.", "app: *name\n"),
    "bad-access": Example(
        "A link asks for an access that the kind does not have; see [links](links.md).",
        _parts(
            "rows: {type: table, partition_key: id}",
            "api: {type: function, handler: app.handler, uses: {rows: reed}}",
        ),
    ),
    "bad-account": Example(
        "An account is not 12 digits in quotes.",
        _parts(API, top="environments:\n  prod: {account: 123456789012}\n"),
    ),
    "bad-cidr": Example(
        "The network's addresses are not a network of /16 to /24.",
        _parts(API, top="network: {cidr: 10.0.0.1/16}\n"),
    ),
    "bad-region": Example(
        "A region's code is none of AWS's; one that is new in an area that AWS is in is taken.",
        _parts(API, top="region: eu-wst-1\n"),
    ),
    "bad-role": Example(
        "An environment is reached by a role of another account than its own.",
        _parts(
            API,
            top="environments:\n"
            '  prod: {account: "123456789012", role: "arn:aws:iam::210987654321:role/deployer"}\n',
        ),
    ),
    "bad-issuer": Example(
        "Tokens need an issuer that AWS can ask for its keys: an https URL.",
        _parts(
            API,
            "web: {type: http-api, routes: {ANY /x: api},\n"
            '  auth: {issuer: "http://tenant.example/", audience: api}}',
        ),
    ),
    "bad-index": Example(
        "DynamoDB does not take the name of an index.",
        _parts("rows: {type: table, partition_key: id, indexes: {by: {partition_key: day}}}"),
    ),
    "bad-key": Example("A key is a list or a mapping.", "[app]: shop\n"),
    "bad-link": Example(
        "A function uses a component that cannot be used.",
        _parts(
            "api: {type: function, handler: app.handler, uses: {web: read}}",
            "web: {type: http-api, routes: {GET /: api}}",
        ),
    ),
    "bad-memory": Example("Lambda does not offer that much memory.", _function("memory: 20GB")),
    "bad-name": Example("A name has a form that cannot be used on AWS.", "app: My_Shop\n" + API),
    "bad-resource": Example(
        "A raw resource is not in CloudFormation's form.",
        _parts(API, top="resources:\n  Topic: {Properties: {}}\n"),
    ),
    "bad-retention": Example("Logs cannot be kept for that long.", _function("logs: 10d")),
    "bad-route": Example(
        "A route is not a method and a path in the form that its front takes.",
        _routes("load-balancer", "GET /orders/{id}: api"),
    ),
    "bad-route-target": Example(
        "A route leads to something that does not answer requests.",
        _parts(
            "rows: {type: table, partition_key: id}",
            "web: {type: http-api, routes: {GET /: rows}}",
        ),
    ),
    "bad-size": Example("A size has no unit, or one that is not known.", _function("memory: 256")),
    "bad-count": Example(
        "A count has no period.", _parts(API, top="expect: {requests: 3000000}\n")
    ),
    "bad-duration": Example("A duration has no unit.", _function("timeout: 30")),
    "bad-timeout": Example("Lambda does not run that long.", _function("timeout: 1h")),
    "bad-value": Example("A key does not take this value.", _function("runtime: pyton3.12")),
    "bad-variable": Example(
        "Lambda does not take a variable of this name.", _function("variables: {AWS_REGION: x}")
    ),
    "control-character": Example(
        "The file holds a character that YAML forbids.", "app: shop\x07\n", shown=False
    ),
    "cycle": Example(
        "Functions call each other in a circle.",
        _parts(
            "one: {type: function, handler: app.handler, uses: {two: invoke}}",
            "two: {type: function, handler: app.handler, uses: {one: invoke}}",
        ),
    ),
    "duplicate-key": Example("A key stands twice in one mapping.", "app: shop\napp: store\n"),
    "empty-file": Example("The file holds nothing.", "# to do\n"),
    "file-too-large": Example(
        "The file is larger than 1 MiB.", "# " + "x" * 1_200_000, shown=False
    ),
    "keys-alike": Example(
        "Both keys of a table are the same attribute.",
        _parts("rows: {type: table, partition_key: id, sort_key: id}"),
    ),
    "merge-key": Example("YAML 1.2 has no merge keys.", "<<: {app: shop}\n"),
    "missing-key": Example("A key that must be there is not.", _parts("api: {type: function}")),
    "name-clash": Example(
        "Two components need a resource of one name.",
        _parts(API, "api-role: {type: function, handler: app.handler}"),
    ),
    "no-file": Example("There is no fairway.yml in the directory.", "", shown=False),
    "no-handler": Example(
        "The handler's file or function does not exist.",
        _parts("api: {type: function, handler: app.handle}"),
    ),
    "no-source": Example("The directory of the code does not exist.", _function("source: code")),
    "not-a-mapping": Example("The file holds something else than keys and values.", "- app\n"),
    "python-syntax": Example(
        "The handler's file is not valid Python.",
        _parts("api: {type: function, handler: bad.handler}"),
    ),
    "reserved-name": Example(
        "A component has a name that Fairway's own resources need.",
        _parts("vpc: {type: function, handler: app.handler}"),
    ),
    "resource-clash": Example(
        "A raw resource would change the type of one of Fairway's.",
        _parts(API, top="resources:\n  Api: {Type: AWS::SNS::Topic}\n"),
    ),
    "unknown-route": Example(
        "A route that needs no token is not among the routes.",
        _guarded("public: [GET /heath]"),
    ),
    "nothing-guarded": Example(
        "Tokens are demanded, and every route is open.",
        _guarded("public: [GET /health, ANY /x]"),
    ),
    "routes-alike": Example(
        "Two routes of an HTTP API match the same requests.",
        _routes("http-api", "GET /orders/{id}: api", "GET /orders/{name}: api"),
    ),
    "several-documents": Example("The file holds several documents.", "app: shop\n---\napp: a\n"),
    "slow-behind-api": Example(
        "A function may run longer than an HTTP API waits (Quotas for HTTP APIs). A warning.",
        _routes(
            "http-api",
            "GET /: api",
            function="api: {type: function, handler: app.handler, timeout: 2m}",
        ),
    ),
    "source-outside": Example("The code is not below fairway.yml.", _function("source: ../code")),
    "tab": Example(
        "YAML does not allow tabs as indentation.", "app: shop\ncomponents:\n\tapi: 1\n"
    ),
    "tag": Example("A YAML tag stands before a value.", "app: !!str shop\n"),
    "too-deep": Example("The file nests too deep.", "app: " + "[" * 200 + "]" * 200, shown=False),
    "too-few-subnets": Example(
        "A load balancer needs public subnets in two zones.",
        _routes("load-balancer", "GET /: api").replace(
            "components:",
            "network:\n  existing: {vpc: vpc-0a, private_subnets: [subnet-0b]}\ncomponents:",
        ),
    ),
    "too-many-resources": Example(
        "A stack outgrows CloudFormation (AWS CloudFormation quotas).",
        _parts(*(f"t{n}: {{type: table, partition_key: id}}" for n in range(501))),
        shown=False,
    ),
    "too-many-routes": Example(
        "A listener takes 100 rules (Quotas for your Application Load Balancers).",
        _routes("load-balancer", *(f"GET /{n}: api" for n in range(101))),
        shown=False,
    ),
    "too-many-values": Example(
        "The file holds too many values; an alias counts as what it stands for.",
        f"app: [{'1,' * 200_001}]",
        shown=False,
    ),
    "too-many-variables": Example(
        "The variables of a function are too large together (Lambda quotas).",
        _function(f"variables: {{TEXT: {'x' * 5000}}}"),
        shown=False,
    ),
    "types-differ": Example(
        "An attribute has two types in one table.",
        _parts(
            "rows:\n  type: table\n  partition_key: id\n  indexes:\n"
            "    by-id: {partition_key: {name: id, type: number}}"
        ),
    ),
    "unknown-component": Example(
        "A link or a route names a component that does not exist.",
        _routes("http-api", "GET /: apu"),
    ),
    "unknown-environment": Example(
        "The environment of `-e` is not in the file (here: `-e prd`).",
        _parts(API, top="environments:\n  prod: {}\n"),
        environment="prd",
    ),
    "unknown-finding": Example(
        "A name under `accept` is none of the scan's; so it would accept nothing.",
        _parts(API, top="accept: {plain-htp: there is no domain yet}\n"),
    ),
    "unknown-key": Example("A key is not part of the language.", _function("memroy: 256MB")),
    "unknown-type": Example("There is no such kind of component.", _parts("rows: {type: tabel}")),
    "unreachable-link": Example(
        "A function calls another from an existing network.",
        _parts(
            "api: {type: function, handler: app.handler, uses: {worker: invoke}}",
            "worker: {type: function, handler: app.handler}",
            top="network: {existing: {vpc: vpc-0a1b, private_subnets: [subnet-0a1b]}}\n",
        ),
    ),
    "variable-clash": Example(
        "A function sets a variable that a link sets too.",
        _parts(
            "rows: {type: table, partition_key: id}",
            "api:\n  type: function\n  handler: app.handler\n  uses: {rows: read}\n"
            "  variables: {ROWS_TABLE: mine}",
        ),
    ),
    "wrong-type": Example("A value is of another type.", _parts(API, top="owner: 42\n")),
    "yaml-syntax": Example("The file is not YAML.", "app: shop: two\n"),
}

# Codes that a small file cannot show.
TOLD = {
    "cfn-*": "Findings of cfn-lint on the compiled templates, by cfn-lint's own rule, like "
    "`cfn-E3012`. Most come from what stands under `resources`; the place is the line there, or "
    "the key that the property comes from. One that you did not cause is a bug in Fairway.",
    "accepts-nothing": "`accept` gives a reason for a finding that `check --security` does not "
    "have in that environment. Remove it.",
    "checkov-*": "Findings of `check --security`, by checkov's own id, like `checkov-CKV_AWS_2`. "
    "Mend it, or say under `accept` why it is meant to be.",
    "wildcard-action": "A role under `resources` allows actions by a pattern; `check --security` "
    "tells it. Name each action.",
    "wildcard-resource": "A role under `resources` allows something on every resource though "
    "the service takes ARNs; `check --security` tells it. Name the resources.",
    "new-kind": "A deployed component became another kind under the same name, which "
    "CloudFormation does not do in one step. Give the new one another name; `plan` tells it.",
    "foreign-root": "A fairway.yml above the application's folder says that it is a service of it, "
    "and belongs to another user, as one in a directory that everybody may write. It is not "
    "followed. Move the application, or make the file yours.",
    "service-outside": "A folder that a pattern under `services` matches is a link that leads out "
    "of the root, or to a folder that no pattern matches, or it is a service of another root "
    "already: from its own folder it would have another name, and be a second copy of everything. "
    "Put the folder itself below this root, and name it there alone.",
    "not-text": "The file is not UTF-8 text. Save it as UTF-8.",
    "unreadable-file": "The file, or the code of a handler, is there and cannot be read: the "
    "message tells the system's reason. Mend its permissions.",
}
