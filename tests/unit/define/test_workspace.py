"""A root of services: what is found, what it says for all, and from where it is the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.workspaces import ROOT, edit, write_root

from fairway.define import (
    App,
    Definition,
    Workspace,
    define_app,
    define_service,
    find_home,
    list_environments,
    list_services,
    read_root,
)
from fairway.define.workspace import find_workspace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "shop", ["orders", "billing"])


def read(root: Path) -> Workspace:
    workspace = read_root(root)
    assert workspace is not None
    return workspace


def define_from_root(root: Path, name: str, environment: str = "prod") -> Definition:
    services, _ = list_services(read(root))
    found = next(service for service in services if service.name == name)
    return define_service(found, environment)


def tell(app: App) -> tuple[object, ...]:
    """All that decides where an application goes and what its stacks are called."""
    return (
        app.name, app.prefix, app.service, app.region, app.account, app.approve, app.owner,
        app.home.resolve(), app.root.resolve(), dict(app.accept), app.encryption,
    )  # fmt: skip


@pytest.mark.parametrize("environment", ["local", "poc", "prod"])
def test_a_service_is_the_same_from_its_folder(root: Path, environment: str) -> None:
    above = define_from_root(root, "orders", environment).require_app()
    below = define_app(root / "services" / "orders", environment).require_app()
    assert tell(above) == tell(below)
    assert above.prefix == f"shop-orders-{environment}"
    assert above.home.resolve() == root.resolve()


def test_the_root_says_what_holds_for_all(root: Path) -> None:
    app = define_from_root(root, "orders").require_app()
    assert (app.owner, app.region, app.account) == ("platform", "eu-west-1", "123456789012")
    assert app.approve
    assert app.place("region").file == root / "fairway.yml"


def test_a_service_may_say_it_otherwise(root: Path) -> None:
    file = root / "services" / "orders" / "fairway.yml"
    more = "owner: shipping\nenvironments:\n  poc:\n  prod: {approve: false}\n"
    file.write_text(more + file.read_text())
    app = define_from_root(root, "orders").require_app()
    assert (app.owner, app.account, app.approve) == ("shipping", "123456789012", False)
    assert define_from_root(root, "billing").require_app().owner == "platform"


def test_naming_an_environment_takes_nothing_away(root: Path) -> None:
    """`prod:` without a value must not lose the account and the consent that the root asks for."""
    file = root / "services" / "orders" / "fairway.yml"
    file.write_text("environments:\n  prod:\n" + file.read_text())
    app = define_from_root(root, "orders").require_app()
    assert (app.account, app.approve) == ("123456789012", True)


def test_environments_are_those_of_the_root(root: Path) -> None:
    assert list_environments(root) == ["local", "poc", "prod"]
    assert list_environments(root / "services" / "orders") == ["local", "poc", "prod"]


def test_the_state_is_the_roots(root: Path, tmp_path: Path) -> None:
    assert find_home(root / "services" / "orders") == root.resolve()
    assert find_home(root) == root
    assert find_home(tmp_path) == tmp_path


def test_a_folder_that_no_pattern_matches_is_by_itself(root: Path) -> None:
    write_root(root, [])
    (root / "other").mkdir()
    (root / "other" / "fairway.yml").write_text(
        "app: other\ncomponents: {entries: {type: table, partition_key: id}}\n"
    )
    app = define_app(root / "other").require_app()
    assert (app.prefix, app.workspace) == ("other-local", None)


def test_only_folders_count(root: Path) -> None:
    (root / "services" / "README.md").write_text("not a service")
    for name in (".hidden", "__pycache__", "node_modules"):
        (root / "services" / name).mkdir()
    services, problems = list_services(read(root))
    assert [service.name for service in services] == ["billing", "orders"]
    assert problems == []


def test_patterns_of_several_levels(tmp_path: Path) -> None:
    root = write_root(tmp_path, [], ROOT.replace("[services/*]", "[teams/*/services/s-*, extra]"))
    for folder in ("teams/a/services/s-one", "teams/b/services/s-two", "extra"):
        (root / folder).mkdir(parents=True)
        name = Path(folder).name
        (root / folder / "fairway.yml").write_text(
            f"app: {name}\ncomponents: {{rows: {{type: table, partition_key: id}}}}\n"
        )
    (root / "teams" / "b" / "services" / "other").mkdir()
    services, problems = list_services(read(root))
    assert [service.name for service in services] == ["s-one", "s-two", "extra"]
    assert problems == []
    app = define_app(root / "teams/b/services/s-two").require_app()
    assert app.prefix == "shop-s-two-local"


def test_a_folder_named_twice_is_one_service(tmp_path: Path) -> None:
    root = write_root(
        tmp_path, ["orders"], ROOT.replace("[services/*]", "[services/orders, services/*]")
    )
    services, problems = list_services(read(root))
    assert [service.name for service in services] == ["orders"]
    assert problems == []


def test_names_that_meet_are_found_from_both_sides(root: Path) -> None:
    edit(root / "fairway.yml", "poc: {}", "poc: {}\n  eu-poc: {}")
    edit(root / "services/billing/fairway.yml", "app: billing", "app: orders-eu")
    _, problems = list_services(read(root))
    assert [problem.code for problem in problems] == ["service-twice"]
    for folder in ("billing", "orders"):
        found = define_app(root / "services" / folder, "poc")
        assert [problem.code for problem in found.misleading] == ["service-twice"]
        assert found.misleading[0].place is not None
        assert found.misleading[0].place.file == root / "services" / folder / "fairway.yml"


def test_a_root_that_cannot_be_read_leaves_names_in_doubt(root: Path) -> None:
    edit(root / "fairway.yml", "[services/*]", "[services/*")
    found = define_app(root / "services" / "orders")
    assert [problem.code for problem in found.misleading] == ["yaml-syntax"]


def test_what_a_root_cannot_hold_is_told_once_of_all(root: Path) -> None:
    with (root / "fairway.yml").open("a") as file:
        file.write("network: {cidr: 10.0.0.0/20}\n")
    assert [problem.code for problem in read(root).diagnostics] == ["not-in-root"]
    found = define_from_root(root, "orders")
    assert [problem.code for problem in found.diagnostics] == ["not-in-root"]
    assert found.app is not None
    assert found.app.network is None


def test_a_root_of_another_user_is_not_followed(root: Path) -> None:
    folder = root / "services" / "orders"
    stranger = 54321

    def tell_owner(path: Path) -> int:
        return stranger if path.name == "fairway.yml" else os.getuid()

    workspace, doubts = find_workspace(folder, tell_owner)
    assert workspace is None
    assert [doubt.code for doubt in doubts] == ["foreign-root"]
    workspace, doubts = find_workspace(folder, lambda path: stranger)
    assert workspace is not None, "whoever owns both is trusted with both"
    assert doubts == []


def test_a_comment_makes_no_root(tmp_path: Path) -> None:
    (tmp_path / "fairway.yml").write_text("app: a  # services: none\ncomponents: {}\n")
    assert read_root(tmp_path) is None


def add_service(folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    table = "{rows: {type: table, partition_key: id}}"
    (folder / "fairway.yml").write_text(f"app: {name}\ncomponents: {table}\n")


def tell_problems(root: Path) -> tuple[list[str], list[str]]:
    """The services of a root, and what is wrong with finding them."""
    services, problems = list_services(read(root))
    return [service.name for service in services], [problem.code for problem in problems]


def test_a_link_to_a_folder_that_no_pattern_matches_is_no_service(root: Path) -> None:
    """From its own folder it would be called `stock`, with stacks of its own."""
    add_service(root / "real" / "stock", "stock")
    (root / "services" / "stock").symlink_to("../real/stock")
    assert tell_problems(root) == (["billing", "orders"], ["service-outside"])
    app = define_app(root / "services" / "stock").require_app()
    assert (app.name, app.workspace) == ("stock", None)


def test_a_service_has_one_root(root: Path, tmp_path: Path) -> None:
    around = ROOT.replace("app: shop", "app: outer").replace("services/*", "shop/services/*")
    (tmp_path / "fairway.yml").write_text(around)
    assert tell_problems(tmp_path) == ([], ["service-outside"] * 2)
    assert tell_problems(root) == (["billing", "orders"], [])
    assert define_app(root / "services" / "orders").require_app().name == "shop-orders"


def test_a_root_file_that_cannot_be_opened_leaves_names_in_doubt(root: Path) -> None:
    (root / "fairway.yml").unlink()
    (root / "fairway.yml").symlink_to("x" * 300)  # longer than any name may be
    found = define_app(root / "services" / "orders")
    assert [problem.code for problem in found.misleading] == ["unreadable-file"]


def test_a_link_to_itself_hides_no_other_service(root: Path) -> None:
    (root / "services" / "loop").symlink_to("loop")
    assert tell_problems(root) == (["billing", "orders"], [])


def test_a_folder_that_cannot_be_listed_is_told_from_both_sides(tmp_path: Path) -> None:
    root = write_root(tmp_path, [], ROOT.replace("services/*", "teams/*/*"))
    add_service(root / "teams" / "a" / "one", "one")
    (root / "teams" / "b").symlink_to("x" * 300)
    assert tell_problems(root) == (["one"], ["unreadable-file"])
    found = define_app(root / "teams" / "a" / "one")
    assert [problem.code for problem in found.misleading] == ["unreadable-file"]


def test_a_service_whose_file_cannot_be_opened_is_told(root: Path) -> None:
    (root / "services" / "late").symlink_to("x" * 300)
    services, problems = list_services(read(root))
    assert problems == []
    told = {service.name: [p.code for p in service.problems] for service in services}
    assert told == {"billing": [], "late": ["unreadable-file"], "orders": []}


def test_components_of_a_root_are_told_once(root: Path) -> None:
    with (root / "fairway.yml").open("a") as file:
        file.write("components: {}\n")
    assert [problem.code for problem in read(root).diagnostics] == ["not-in-root"]
