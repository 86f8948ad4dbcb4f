"""What a shell is answered, by its own protocol; never an error, and nothing heavy is loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.workspaces import edit, write_root

from fairway.cli import names
from fairway.cli.main import VERBS
from fairway.define import (
    FILE_NAME,
    LOCAL,
    define_app,
    list_environments,
    list_services,
    read_root,
)
from fairway.define.spec import KINDS
from fairway.operate.logs import list_logging
from fairway.plan import ObservedStack
from fairway.plan.record import ReleaseRecord, read_last_record, write_record
from fairway.state import STATE_DIRECTORY

FAIRWAY = Path(sys.executable).with_name("fairway")
APPLICATION = """app: shop
environments: {poc: {}, prod: {approve: true}}
components:
  entries: {type: table, partition_key: id}
  api: {type: function, handler: app.handler}
  worker: {type: function, handler: app.handler}
  web: {type: http-api, routes: {"GET /": api}}
  front: {type: load-balancer, routes: {"GET /": api}}
resources:
  Files: {Type: AWS::S3::Bucket}
"""


@pytest.fixture
def application(tmp_path: Path) -> Path:
    (tmp_path / FILE_NAME).write_text(APPLICATION)
    return tmp_path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three services; one is edited so that its components tell it from the others."""
    directory = write_root(tmp_path / "shop", ["orders", "offers", "users"])
    edit(directory / "services" / "users" / FILE_NAME, "  api:", "  login:")
    return directory


def ask(directory: Path, line: str, shell: str = "bash") -> subprocess.CompletedProcess[str]:
    """Ask for what may stand at the end of a line, as the shell's script does."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    return subprocess.run(
        [FAIRWAY],
        env={**os.environ, **words, "_FAIRWAY_COMPLETE": f"{shell}_complete"},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def complete(directory: Path, line: str) -> list[str]:
    """What may stand at the end of a line."""
    done = ask(directory, line)
    assert (done.returncode, done.stderr) == (0, "")
    return [item.partition(",")[2] for item in done.stdout.split()]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("fairway ro", ["rollback"]),
        ("fairway check --s", ["--security", "--sarif", "--service"]),
        ("fairway init ", ["notes", "timestamps"]),
        ("fairway plan -e ", ["local", "poc", "prod"]),
        ("fairway plan --env=p", ["poc", "prod"]),
        ("fairway check -e pr", ["prod"]),
        ("fairway promote poc ", ["local", "poc", "prod"]),
        ("fairway logs ", ["api", "worker", "web"]),
        ("fairway logs api w", ["worker", "web"]),
        ("fairway logs -e prod --json web ", ["api", "worker"]),
        ("fairway destroy --delete ", ["entries", "Files"]),
        ("fairway approve plan.json --replace e", ["entries"]),
        ("fairway policy ", ["deploy"]),
        ("fairway completion ", ["bash", "zsh", "fish"]),
        ("fairway plan --service ", []),
        ("fairway logs --since ", []),
    ],
)
def test_of_an_application(application: Path, line: str, names: list[str]) -> None:
    assert complete(application, line) == names


def test_commands_come_in_the_order_of_the_journey(tmp_path: Path) -> None:
    assert complete(tmp_path, "fairway ") == list(VERBS)


def test_a_directory_of_its_own(application: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert complete(tmp_path / "elsewhere", f"fairway logs -C {application} w") == ["worker", "web"]


@pytest.mark.parametrize(
    ("folder", "line", "names"),
    [
        ("", "fairway status --service o", ["offers", "orders"]),
        ("", "fairway compile --service u", ["users"]),
        ("", "fairway plan --service users --service ", ["offers", "orders"]),
        ("", "fairway logs users/", ["users/login", "users/web"]),
        ("", "fairway logs --service users ", ["login", "web"]),
        ("", "fairway apply --delete o", ["offers/entries", "orders/entries"]),
        ("", "fairway plan -e p", ["poc", "prod"]),
        ("services/users", "fairway plan -e p", ["poc", "prod"]),
        ("services/users", "fairway logs ", ["login", "web"]),
        ("services/users", "fairway plan --service ", []),
    ],
)
def test_of_services(root: Path, folder: str, line: str, names: list[str]) -> None:
    assert complete(root / folder, line) == names


def test_releases_made_from_here(root: Path) -> None:
    def record(service: str, environment: str, number: int) -> None:
        app = f"shop-{service}" if service else "shop"
        write_record(
            root / STATE_DIRECTORY / "releases" / service / environment,
            ReleaseRecord(number, app, environment, "eu-west-1", "today", {}),
        )

    for number in (8, 9, 10):
        record("users", "prod", number)
    record("orders", LOCAL, 3)
    users = root / "services" / "users"
    assert complete(users, "fairway rollback -e prod ") == ["10", "9", "8"]
    assert complete(root, "fairway rollback -e prod --service users 1") == ["10"]
    assert complete(users, "fairway promote prod poc --release ") == ["10", "9", "8"]
    assert complete(root, "fairway history --service orders ") == ["3"]
    assert complete(users, "fairway history ") == []


def test_what_cannot_be_gone_back_to_is_only_history(root: Path) -> None:
    """A removal, and what did not come to a good end; records of old say neither."""
    stack = ObservedStack("s", "CREATE_COMPLETE", {"Resources": {"A": {"kind": "destroy"}}},
                          {}, {}, {})  # fmt: skip
    app = ReleaseRecord(1, "shop-users", "prod", "eu-west-1", "today", {"s": stack})
    folder = root / STATE_DIRECTORY / "releases" / "users" / "prod"
    write_record(folder, app)
    moving = tuple(f"shop-users-prod-{number}" for number in range(9))
    write_record(folder, replace(app, number=2, outcome="failed", moving=moving))
    write_record(folder, replace(app, number=3, outcome="interrupted"))
    write_record(folder, replace(app, number=4, kind="destroy"))
    write_record(folder, replace(app, number=5, kind="rollback"))
    assert read_last_record(folder) == replace(app, number=5, kind="rollback")
    old = json.loads((folder / "000001.json").read_bytes())
    del old["kind"], old["outcome"]
    (folder / "000006.json").write_text(json.dumps({**old, "number": 6}, indent=1, sort_keys=True))
    assert read_last_record(folder) == replace(app, number=6)
    users = root / "services" / "users"
    assert complete(users, "fairway rollback -e prod ") == ["6", "5", "1"]
    assert complete(users, "fairway promote prod poc --release ") == ["6", "5", "1"]
    assert complete(users, "fairway history -e prod ") == ["6", "5", "4", "3", "2", "1"]


BROKEN = [
    b"",
    b"app: shop\ncomponents: [",
    b"\xff\xfe\x00",
    b"- one",
    b"components: text\nenvironments: 5\nservices: [{}, /etc/*, '', ../*, 5]\nresources: [1]",
    b"components: {1: 2, api: text, web: {type: [function]}}",
    b"a: &a [*a]\ncomponents: *a\nenvironments: *nothing",
    b"[" * 5000,
]


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize(
    "line", ["fairway plan -e ", "fairway status --service ", "fairway logs ", "fairway rollback "]
)
def test_what_cannot_be_read_has_no_names(tmp_path: Path, content: bytes, line: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    done = ask(tmp_path, line)
    assert done.stderr == ""
    assert done.stdout.split() in ([], ["plain,local"])


@pytest.mark.parametrize(
    "line",
    ["fairway statsu -e ", "fairway plan -C /nowhere -e ", 'fairway plan "', "fairway plan --x y "],
)
def test_a_line_that_makes_no_sense_is_no_error(tmp_path: Path, line: str) -> None:
    assert ask(tmp_path, line).stderr == ""


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE_NAME)
    assert complete(tmp_path, "fairway logs ") == []


def test_a_shell_that_is_none_is_told_nothing(tmp_path: Path) -> None:
    done = ask(tmp_path, "fairway ", shell="tcsh")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_zsh_shows_what_each_is_for(application: Path) -> None:
    done = ask(application, "fairway unl", shell="zsh")
    assert done.stdout.splitlines() == [
        "plain",
        "unlock",
        "Show who holds the lock of an environment; with --break, remove it.",
    ]
    assert "plain\n--with-data\nTake" in ask(application, "fairway rollback --w", "zsh").stdout


LOADED = """
import json, sys
from fairway.cli.entry import main

try:
    main()
finally:
    print(json.dumps(list(sys.modules)))
"""


@pytest.mark.parametrize("line", ["fairway ", "fairway logs ", "fairway apply -", "fairway up -C "])
def test_only_what_is_needed_is_loaded(application: Path, line: str) -> None:
    """It is what a key waits for: pydantic takes longer to load than all the rest."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={**os.environ, **words, "_FAIRWAY_COMPLETE": "bash_complete"},
        cwd=application,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    ours = {name.partition(".")[2] for name in loaded if name.startswith("fairway.")}
    assert "pydantic" not in loaded
    assert {name.partition(".")[0] for name in ours} == {"cli", "errors", "diagnostics"}
    assert not [name for name in ours if name.startswith("cli.commands")]


def test_components_with_logs_are_those_that_logs_are_read_of(application: Path) -> None:
    """Here are all kinds: a new one must be added, and so be thought of."""
    app = define_app(application).require_app()
    assert {component.type for component in app.components.values()} == set(KINDS)
    assert set(names.list_logging({"directory": str(application)})) == set(list_logging(app))


def test_names_are_those_that_the_stages_read(root: Path) -> None:
    assert (names.FILE_NAME, names.LOCAL, names.STATE_DIRECTORY) == (
        FILE_NAME,
        LOCAL,
        STATE_DIRECTORY,
    )
    (root / "services" / "without").mkdir()
    workspace = read_root(root)
    assert workspace is not None
    found = [service.name for service in list_services(workspace)[0]]
    assert names.list_services({"directory": str(root)}) == found
    for folder in (root, root / "services" / "users"):
        assert names.list_environments({"directory": str(folder)}) == list_environments(folder)
