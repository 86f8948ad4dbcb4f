"""How an environment is reached: the profile of the file, or what variables bring."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.cli.target import choose_profile, has_credentials
from fairway.define.definition import define_text

KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s"}
PIPELINE = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn"}
FILE = """
app: shop
environments:
  prod:
    account: "123456789012"
    profile: shop-prod
    role: {role}
components:
  api: {{type: function, handler: app.handler}}
"""


@pytest.mark.parametrize("variables", [KEYS, PIPELINE])
def test_credentials_in_variables_go_before_a_profile(variables: dict[str, str]) -> None:
    assert choose_profile(variables, "shop-prod") is None


@pytest.mark.parametrize("variables", [{}, {"AWS_PROFILE": "other"}, {"AWS_ACCESS_KEY_ID": ""}])
def test_the_file_s_profile_goes_before_one_for_everything(variables: dict[str, str]) -> None:
    assert choose_profile(variables, "shop-prod") == "shop-prod"
    assert choose_profile(variables, None) is None


def test_a_profile_that_this_machine_lacks_is_no_credential(tmp_path: Path) -> None:
    config = tmp_path / ".aws" / "config"
    config.parent.mkdir()
    config.write_text("[default]\n[profile shop-poc]\nsso_session = x\n")
    assert has_credentials({}, tmp_path)
    assert has_credentials({}, tmp_path, "shop-poc")
    assert not has_credentials({}, tmp_path, "shop-prod")
    (tmp_path / ".aws" / "credentials").write_text("[shop-prod]\naws_access_key_id = AKIA\n")
    assert has_credentials({}, tmp_path, "shop-prod")


def test_files_may_be_elsewhere(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[profile shop-prod]\n")
    assert not has_credentials({}, tmp_path / "home")
    variables = {"AWS_CONFIG_FILE": str(config)}
    assert has_credentials(variables, tmp_path / "home")
    assert has_credentials(variables, tmp_path / "home", "shop-prod")
    config.write_text("not of any form\n")
    assert has_credentials(variables, tmp_path / "home", "shop-prod")  # told when it is used


def test_the_file_says_how_it_is_reached() -> None:
    role = "arn:aws:iam::123456789012:role/team/deployer"
    app = define_text(FILE.format(role=role), Path("/app"), "prod").require_app()
    assert (app.profile, app.role) == ("shop-prod", role)
    local = define_text(FILE.format(role=role), Path("/app")).require_app()
    assert (local.profile, local.role) == (None, None)


@pytest.mark.parametrize("role", ["deployer", "arn:aws:iam::210987654321:role/deployer"])
def test_a_role_that_cannot_be_right_is_told_with_its_line(role: str) -> None:
    found = define_text(FILE.format(role=role), Path("/app"), "prod")
    (problem,) = found.diagnostics
    assert problem.place is not None
    assert problem.place.line == 7
    assert problem in found.misleading
