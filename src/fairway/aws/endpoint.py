"""Where an environment lives, and clients for it; the only importer of boto3.

The stages know AWS's APIs and nothing of who answers them: a target is a region,
credentials and, for the local cloud, a URL.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

from fairway.errors import CloudUnavailable, FairwayError, MissingCredentials

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

NO_CREDENTIALS_HINT = (
    "run `aws configure sso` (or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
)


# Operations that change nothing begin like this; drift detection only looks.
_READS = ("BatchGet", "Describe", "Detect", "Get", "Head", "List", "Query", "Scan")


class WriteRefused(RuntimeError):
    """Something that only reads was about to write: a bug, and nothing was sent."""


@dataclass(frozen=True)
class Endpoint:
    """A target: AWS itself, or whoever answers its APIs at `url`.

    access_key and secret_key: given for a local cloud; otherwise the usual chain
    of profiles, variables and roles is asked. profile: the one to take, whatever variables say.
    role: ARN of the role that is then taken on.
    """

    region: str
    url: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    profile: str | None = None
    role: str | None = None


class Aws:
    """Clients of one endpoint, each made when first used.

    Raises MissingCredentials at construction when there are none.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        from botocore.config import Config

        self.endpoint = endpoint
        self._refuse: Callable[..., None] | None = None
        self._making = threading.Lock()  # sessions are not safe to share between threads
        self._session = _open_session(endpoint)
        self._config = Config(
            retries={"mode": "standard", "total_max_attempts": 4},
            connect_timeout=3,
            max_pool_connections=16,
            user_agent_extra="fairway",
            proxies={} if endpoint.url else None,  # a proxy cannot reach this machine's loopback
            # A variable meant for the local cloud must not send a deployment there.
            ignore_configured_endpoint_urls=True,  # type: ignore[call-arg] # the stubs lag
        )
        if (endpoint.url is None or endpoint.role) and not self._has_credentials():
            raise MissingCredentials(
                f"no AWS credentials were found for region {endpoint.region}",
                hint=NO_CREDENTIALS_HINT,
            )
        if endpoint.role is not None:
            from fairway.aws.roles import take_on_role

            self._session = take_on_role(self._session, endpoint, endpoint.role, self._config)

    def _has_credentials(self) -> bool:
        from botocore.exceptions import BotoCoreError

        try:
            return self._session.get_credentials() is not None
        except BotoCoreError as error:
            raise MissingCredentials(
                f"AWS credentials cannot be used: {error}", hint=NO_CREDENTIALS_HINT
            ) from error

    def reading(self, *also: str) -> Aws:
        """The same endpoint by clients that refuse to write, but for operations named in `also`.

        What plans goes through these: a write is a bug, raised as WriteRefused before it is sent.
        """
        other = copy(self)
        for name, member in vars(Aws).items():
            if isinstance(member, cached_property):
                other.__dict__.pop(name, None)
        other._refuse = partial(_refuse_writes, also)
        return other

    def _make_client(self, service: str) -> Any:
        with self._making:
            client = self._session.client(
                service, endpoint_url=self.endpoint.url, config=self._config
            )
        if self._refuse is not None:
            client.meta.events.register_first("before-call", self._refuse)
        return client

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """CloudFormation."""
        client: CloudFormationClient = self._make_client("cloudformation")
        return client

    @cached_property
    def s3(self) -> S3Client:
        """S3; path-style where the endpoint is an address."""
        client: S3Client = self._make_client("s3")
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """CloudWatch Logs."""
        client: CloudWatchLogsClient = self._make_client("logs")
        return client

    @cached_property
    def ec2(self) -> EC2Client:
        """EC2."""
        client: EC2Client = self._make_client("ec2")
        return client

    @cached_property
    def sts(self) -> STSClient:
        """STS."""
        client: STSClient = self._make_client("sts")
        return client

    @cached_property
    def sqs(self) -> Any:
        """SQS."""
        return self._make_client("sqs")

    @cached_property
    def lambda_(self) -> LambdaClient:
        """Lambda."""
        client: LambdaClient = self._make_client("lambda")
        return client

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """DynamoDB."""
        client: DynamoDBClient = self._make_client("dynamodb")
        return client


def _refuse_writes(also: tuple[str, ...], model: Any, **_: Any) -> None:
    if not model.name.startswith(_READS) and model.name not in also:
        raise WriteRefused(f"{model.service_model.service_name}:{model.name} would write")


def _open_session(endpoint: Endpoint) -> Any:
    """A session; one for a local cloud takes nothing from the user's profiles."""
    import boto3
    from botocore.exceptions import ProfileNotFound
    from botocore.session import Session

    alone = endpoint.url and not endpoint.profile
    own = {"profile": (None, None, None, None)} if alone else None
    try:
        inner = Session(session_vars=own, profile=endpoint.profile)
        models = open_models(inner.get_config_variable("data_path"))
        inner.register_component("data_loader", models)
        session = boto3.session.Session(
            aws_access_key_id=endpoint.access_key,
            aws_secret_access_key=endpoint.secret_key,
            region_name=endpoint.region,
            botocore_session=inner,
        )
    except ProfileNotFound as error:
        hint = "set AWS_PROFILE to a profile that exists, or unset it"
        if endpoint.profile:
            hint = (
                f"make it: `aws configure sso --profile {endpoint.profile}`; in a pipeline "
                "AWS_ACCESS_KEY_ID and the like go before it"
            )
        raise MissingCredentials(f"{error}", hint=hint) from error
    # Each session of boto3 adds its own folder again.
    models.search_paths[:] = dict.fromkeys(models.search_paths)
    return session


@cache
def open_models(path: str | None) -> Any:
    """AWS's descriptions of its services, shared by all sessions: reading them takes longest."""
    from botocore.loaders import create_loader

    return create_loader(path)


# "Common Errors" of the services: how each says that no policy allows a call.
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


def explain_no_answer(error: Exception) -> FairwayError:
    """What to say when an endpoint could not be asked, broke off, or refused what was asked."""
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        is_denied = response["Error"].get("Code") in _DENIED
        hint = "`fairway policy deploy` prints what who applies must be allowed"
        return FairwayError(
            f"a request was refused: {explain_client_error(error)}",
            hint=hint if is_denied else None,
        )
    url = str(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    try:
        is_local = ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        is_local = False
    if is_local:
        return CloudUnavailable(
            "the local cloud was stopped while it was asked",
            hint="run the same command again, or start it with `fairway up`",
        )
    return FairwayError(f"AWS could not be asked: {error}", hint="check the network and the region")


def explain_client_error(error: Exception) -> str:
    """AWS's own message of a failed call, without botocore's preamble."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("Error", {})
        return f"{found.get('Message') or found.get('Code')}"
    return str(error)
