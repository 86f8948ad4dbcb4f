"""Which credentials clients have: the endpoint's profile, its keys, or what AWS's tools take."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.aws import Aws, Endpoint
from fairway.errors import MissingCredentials

LOCAL = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two profiles, and a variable that names a third for everything."""
    (tmp_path / "config").write_text("[profile poc]\nregion = ap-south-1\n")
    (tmp_path / "credentials").write_text(
        "".join(
            f"[{name}]\naws_access_key_id = KEY-{name}\naws_secret_access_key = s\n"
            for name in ("poc", "prod")
        )
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "gone")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)


def find_key(aws: Aws) -> str:
    return str(aws.sts._request_signer._credentials.access_key)


@pytest.mark.parametrize("url", [None, LOCAL])
@pytest.mark.parametrize("profile", ["poc", "prod"])
def test_a_profile_goes_before_the_variable(profile: str, url: str | None) -> None:
    aws = Aws(Endpoint("eu-west-1", url, profile=profile))
    assert find_key(aws) == f"KEY-{profile}"
    assert aws.sts.meta.region_name == "eu-west-1"


def test_a_local_cloud_takes_nothing_from_profiles() -> None:
    assert find_key(Aws(Endpoint("eu-west-1", LOCAL, "own", "s"))) == "own"


@pytest.mark.parametrize(
    ("profile", "hint"), [(None, "set AWS_PROFILE"), ("stage", "aws configure sso --profile stage")]
)
def test_a_profile_that_is_not_there_is_named(profile: str | None, hint: str) -> None:
    with pytest.raises(MissingCredentials) as refused:
        Aws(Endpoint("eu-west-1", profile=profile))
    assert (profile or "gone") in refused.value.summary
    assert hint in str(refused.value.hint)
