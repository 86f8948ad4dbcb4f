"""Working as a role: taken on with the credentials at hand, and again before it runs out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fairway.errors import MissingCredentials

if TYPE_CHECKING:
    from fairway.aws.endpoint import Endpoint

SESSION_NAME = "fairway"
"""By which CloudTrail tells what was done here: "AssumeRole", RoleSessionName."""


@dataclass(frozen=True)
class _Taken:
    """Stands where botocore looks for credentials."""

    credentials: Any

    def load_credentials(self) -> Any:
        return self.credentials


def take_on_role(session: Any, endpoint: Endpoint, role: str, config: Any) -> Any:
    """A session that works as the role; the same one when its credentials are the role's.

    session: boto3's, with credentials that may take the role on. Raises MissingCredentials.
    """
    import boto3
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import Session

    from fairway.aws.endpoint import explain_client_error

    def make_client(service: str, **keys: Any) -> Any:
        return session.client(service, endpoint_url=endpoint.url, config=config, **keys)

    caller = "the credentials at hand"
    try:
        caller = make_client("sts").get_caller_identity()["Arn"]
        if is_role(caller, role):
            return session
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=make_client,
            source_credentials=session.get_credentials(),
            role_arn=role,
            extra_args={"RoleSessionName": SESSION_NAME},
        )
        credentials = DeferredRefreshableCredentials(
            refresh_using=fetcher.fetch_credentials, method="assume-role"
        )
        credentials.get_frozen_credentials()  # now, and not at some later call
    except (ClientError, BotoCoreError) as error:
        raise MissingCredentials(
            f"{role} cannot be taken on: {explain_client_error(error)}",
            hint=f"its trust policy must name {caller}, which must be allowed sts:AssumeRole on it",
        ) from error
    taken = Session(session_vars={"profile": (None, None, None, None)})
    taken.register_component("credential_provider", _Taken(credentials))
    return boto3.session.Session(region_name=endpoint.region, botocore_session=taken)


def is_role(caller: str, role: str) -> bool:
    """Whether a caller's ARN is of a session of this role ("IAM identifiers": without its path)."""
    parts, wanted = caller.split(":", 5), role.split(":", 5)
    if len(parts) < 6 or parts[2] != "sts" or parts[4] != wanted[4]:
        return False
    return parts[5].startswith(f"assumed-role/{wanted[5].rsplit('/', 1)[-1]}/")
