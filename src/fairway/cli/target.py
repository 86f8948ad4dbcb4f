"""The composition root: the one place that knows where an environment lives."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from fairway.bundle.artifact import Architecture, Platform
from fairway.define import LOCAL, App
from fairway.errors import CloudUnavailable, DeploymentFailed
from fairway.events import Report
from fairway.state import STATE_DIRECTORY, make_state_directory

if TYPE_CHECKING:
    from fairway.aws import Aws
    from fairway.cloud.info import CloudInfo

Variables = Mapping[str, str]

_CREDENTIAL_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
# "Configuration and credential file settings": where the files are that name profiles.
_FILES = {"AWS_SHARED_CREDENTIALS_FILE": "credentials", "AWS_CONFIG_FILE": "config"}


Start = Literal["never", "if-deployed", "always"]


@dataclass(frozen=True)
class Target:
    """Where an application goes: clients for it, and what code runs on there.

    aws: None when there is nobody to ask. cloud: the local cloud, when it is one.
    started: whether the local cloud was started by opening the target.
    """

    aws: Aws | None
    choose: Callable[[str, str], Platform]
    cloud: CloudInfo | None = None
    started: bool = False

    def require_aws(self) -> Aws:
        """The clients. Raises MissingCredentials or CloudUnavailable without them."""
        assert self.aws is not None
        return self.aws


def state_directory(directory: Path) -> Path:
    """Where everything of the application that is not its source is kept."""
    return (directory / STATE_DIRECTORY).resolve()


def open_target(app: App, report: Report, *, must_answer: bool, start: Start = "never") -> Target:
    """The target of the application's environment.

    must_answer: fail rather than go on with nobody to ask. start: whether to start
    a local cloud that does not run.
    """
    if app.environment == LOCAL:
        return _open_local(app, report, must_answer=must_answer, start=start)
    profile = choose_profile(os.environ, app.profile)
    if not must_answer and not has_credentials(os.environ, find_home(), profile):
        return Target(None, choose_lambda)
    from fairway.aws import Aws, Endpoint

    aws = Aws(Endpoint(app.region, profile=profile, role=app.role))
    check_account(app, aws)
    return Target(aws, choose_lambda)


def open_targets(
    apps: Sequence[App], report: Report, *, must_answer: bool, start: Start = "never"
) -> list[Target]:
    """The target of each of several services in one environment; equal ones are opened once."""
    opened: dict[tuple[str | None, ...], Target] = {}
    found = []
    for app in apps:
        where = (app.region, app.account, app.profile, app.role)
        key = () if app.environment == LOCAL else where
        if key not in opened:
            opened[key] = open_target(app, report, must_answer=must_answer, start=start)
        found.append(opened[key])
    return found


def choose_profile(environment: Variables, profile: str | None) -> str | None:
    """The profile that a file names, unless variables bring credentials of their own.

    AWS_PROFILE is no such credential: one variable cannot be right for two environments.
    """
    return None if any(environment.get(name) for name in _CREDENTIAL_VARIABLES) else profile


def find_home() -> Path:
    """The user's, as botocore sees it: `~` itself for one who has none, where nothing is."""
    return Path(os.path.expanduser("~"))  # noqa: PTH111 - pathlib's raises for that


def has_credentials(environment: Variables, home: Path, profile: str | None = None) -> bool:
    """Whether anything says how to reach AWS; looks, and asks nobody.

    profile: the one that is needed, when it is known; its credentials are not looked at.
    """
    if any(environment.get(name) for name in _CREDENTIAL_VARIABLES):
        return True
    files = [
        Path(os.path.expanduser(environment.get(variable) or home / ".aws" / name))  # noqa: PTH111
        for variable, name in _FILES.items()
    ]
    if profile is None:
        return bool(environment.get("AWS_PROFILE")) or any(file.exists() for file in files)
    return any(_names_profile(file, profile) for file in files)


def _names_profile(file: Path, profile: str) -> bool:
    import configparser

    found = configparser.RawConfigParser(strict=False)
    try:
        found.read(file)
    except (configparser.Error, ValueError):
        return True  # whoever uses it says what is wrong with it
    return found.has_section(profile) or found.has_section(f"profile {profile}")


def choose_lambda(runtime: str, architecture: str) -> Platform:
    """On AWS code runs on what the file says."""
    language = "nodejs" if runtime.startswith("nodejs") else "python"
    version = runtime.removeprefix(language).removesuffix(".x")
    return Platform(
        "nodejs" if language == "nodejs" else "python",
        version,
        cast("Architecture", architecture),
    )


def choose_here(runtime: str, architecture: str) -> Platform:
    """The local cloud runs code on this machine's processor, and on its nearest interpreter."""
    import platform

    from fairway.cloud.pythons import OURS, find_python

    machine = platform.machine().lower()
    here: Architecture = "arm64" if machine in ("arm64", "aarch64") else "x86_64"
    asked = choose_lambda(runtime, architecture)
    if asked.language == "python" and not find_python(asked.version, os.environ.get("PATH", "")):
        return Platform("python", OURS, here)
    return Platform(asked.language, asked.version, here)


def _check_ports(environment: Variables) -> None:
    """Refuse a wrong range also where a cloud runs already, which will not read it."""
    if environment.get("FAIRWAY_PORTS"):
        from fairway.cloud.control.ports import PortsUnusable, read_range

        try:
            read_range(environment)
        except PortsUnusable as error:
            raise CloudUnavailable(str(error)) from error


def _open_local(app: App, report: Report, *, must_answer: bool, start: Start) -> Target:
    from fairway.cloud.launch import find_answering, start_cloud

    if start == "always":
        _check_ports(os.environ)
    directory = state_directory(app.home)
    info = find_answering(directory)
    deployed = (directory / "state").is_dir()
    started = info is None and (start == "always" or (start == "if-deployed" and deployed))
    if started:
        import threading

        # The clients' libraries load while the cloud starts: both take half a second.
        threading.Thread(target=import_module, args=("boto3",), daemon=True).start()
        with suppress(OSError):  # the cloud says what is wrong with its directory
            make_state_directory(directory)
        info = start_cloud(directory, app.region, report)
    if info is None:
        if must_answer:
            raise CloudUnavailable(
                "the local cloud is not running", hint="start it with `fairway up`"
            )
        return Target(None, choose_here)
    from fairway.aws import Aws, Endpoint

    endpoint = Endpoint(info.region, info.endpoint, info.access_key, info.secret_key)
    return Target(Aws(endpoint), choose_here, info, started)


def check_account(app: App, aws: Aws) -> None:
    """Raise DeploymentFailed for credentials of another account than the environment's."""
    if app.account is None:
        return
    account = aws.sts.get_caller_identity()["Account"]
    if account != app.account:
        raise DeploymentFailed(
            f"the credentials are of account {account}, but {app.environment} belongs to "
            f"{app.account}",
            hint="name the `profile` or `role` that reaches it under the environment, or take "
            "credentials of that account",
        )
