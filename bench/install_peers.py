"""Install the tools that Fairway is compared with, into bench/.peers/, one place each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
PEERS = BENCH / ".peers"
WORK = PEERS / "work"
HOME = PEERS / "home"
# The interpreter that runs Fairway: two builds of one version may differ by a third.
PYTHON = getattr(sys, "_base_executable", sys.executable)

PYTHON_PEERS: dict[str, tuple[str, ...]] = {
    "starlette": ("starlette==1.10.0", "uvicorn==0.54.0", "httptools", "uvloop", "boto3==1.43.106"),
    "chalice": ("chalice==1.34.0", "setuptools<81", "boto3==1.43.106"),
    "ministack": ("ministack[full]==1.5.33",),
    "sam": ("aws-sam-cli==1.170.0",),
    "cdk": ("aws-cdk-lib==2.275.0",),
}
# `serverless` is the name by which serverless-offline looks for its host: here the free fork.
NODE_PEERS = {
    "osls": "4.3.1",
    "serverless": "npm:osls@4.3.1",
    "serverless-offline": "14.8.2",
    "aws-cdk": "2.1148.1",
}


def install_python_peer(name: str) -> Path:
    """A virtual environment with one peer and its dependencies; the directory of its commands."""
    place, wanted = PEERS / name, "\n".join([PYTHON, *PYTHON_PEERS[name]])
    if not is_installed(place, wanted):
        say(f"installing {name} ({', '.join(PYTHON_PEERS[name])})")
        shutil.rmtree(place, ignore_errors=True)
        uv = find_uv()
        run([uv, "venv", "--quiet", "--python", PYTHON, str(place)])
        python = str(place / "bin/python")
        # Compiled as pip does: benches keep Python from writing, and so from compiling once.
        options = ["--quiet", "--compile-bytecode", "--python", python]
        run([uv, "pip", "install", *options, *PYTHON_PEERS[name]])
        (place / ".installed").write_text(wanted)
    return place / "bin"


def install_node_peers() -> Path:
    """All Node peers side by side; their `node_modules` directory."""
    place, wanted = PEERS / "node", json.dumps({"private": True, "dependencies": NODE_PEERS})
    if not is_installed(place, wanted):
        if not shutil.which("npm"):
            raise SystemExit("npm is missing: install Node.js 20 or newer")
        say(f"installing {', '.join(NODE_PEERS)}")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (place / "package.json").write_text(wanted)
        # Peer dependencies name the commercial serverless, which asks for an account.
        quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel", "error"]
        run(["npm", "install", "--legacy-peer-deps", *quiet], cwd=place)
        (place / ".installed").write_text(wanted)
    return place / "node_modules"


def is_installed(place: Path, wanted: str) -> bool:
    stamp = place / ".installed"
    return stamp.exists() and stamp.read_text() == wanted


def find_uv() -> str:
    """The `uv` beside this Python (Fairway depends on it), else the one on the path."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise SystemExit(
            "uv is missing: run the bench with the Python that Fairway is installed in"
        )
    return found


def make_environment(*first_on_path: Path) -> dict[str, str]:
    """What a peer gets as environment: a home of its own, dummy credentials, no telemetry."""
    HOME.mkdir(parents=True, exist_ok=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "FAIRWAY_"))}
    return kept | {
        "PATH": os.pathsep.join([*map(str, first_on_path), os.environ.get("PATH", "")]),
        "HOME": str(HOME),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "CI": "1",
        "DO_NOT_TRACK": "1",
        "SLS_TELEMETRY_DISABLED": "1",
        "SLS_NOTIFICATIONS_MODE": "off",
        "SLS_TRACKING_DISABLED": "1",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_CHECK_FOR_UPDATES": "0",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
        "CHALICE_CLI_TELEMETRY": "0",
        "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
        "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:3])} ... failed:\n{done.stdout}{done.stderr}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
