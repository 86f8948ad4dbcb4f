"""The environment of a worker process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fairway.cloud.functions.model import Function

# The only variables that pass from Fairway's own environment to a worker.
INHERITED = ("PATH", "HOME", "LANG")

# Names that a function cannot declare for itself
# ("Working with Lambda environment variables", reserved environment variables).
RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


def build_environment(
    function: Function,
    *,
    inherited: Mapping[str, str],
    base: Mapping[str, str],
    runtime_api: str,
    log_stream: str,
    packages: Path,
    temporary: Path | None,
    provisioned: bool = False,
) -> dict[str, str]:
    """Everything a worker finds in os.environ, and nothing else.

    Later wins: what is inherited, the composition's `base`, what the function
    declares; reserved names are never the function's to set. The runtime's own
    variables follow "Defined runtime environment variables". temporary: where
    temporary files go, or None where the worker has a /tmp of its own.
    """
    environment = {name: inherited[name] for name in INHERITED if name in inherited}
    environment.setdefault("LANG", "en_US.UTF-8")
    # The SDK must not meet the developer's own profiles.
    environment |= {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    environment |= base
    environment |= {k: v for k, v in function.environment.items() if k not in RESERVED}
    if temporary is not None:
        environment["TMPDIR"] = str(temporary)
    kind = "provisioned-concurrency" if provisioned else "on-demand"
    return environment | {
        "_HANDLER": function.handler,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": kind,
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": function.region,
        "LAMBDA_RUNTIME_DIR": str(packages),
        "LAMBDA_TASK_ROOT": str(function.code),
        "TZ": function.environment.get("TZ", ":UTC"),
    }
