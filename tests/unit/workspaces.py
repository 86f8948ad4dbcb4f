"""Roots with many small services, written into a directory."""

from __future__ import annotations

from pathlib import Path

ROOT = """app: shop
owner: platform
region: eu-west-1
services: [services/*]
environments:
  poc: {}
  prod: {account: "123456789012", approve: true}
"""
SERVICE = """app: {name}
components:
  entries: {{type: table, partition_key: id}}
  api: {{type: function, handler: app.handler, memory: 128MB, uses: {{entries: read-write}}}}
  web: {{type: http-api, routes: {{"GET /": api, "POST /": api}}}}
"""
CODE = """import os
import boto3

PAGE = "first of {name}"


def handler(event, context):
    table = boto3.resource("dynamodb").Table(os.environ["ENTRIES_TABLE"])
    if event["requestContext"]["http"]["method"] == "POST":
        table.put_item(Item={{"id": context.aws_request_id}})
    return {{"statusCode": 200, "body": f"{{PAGE}} {{table.scan()['Count']}}"}}
"""


def write_root(directory: Path, names: list[str], root: str = ROOT) -> Path:
    """A root with services of these names, in folders of these names."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "fairway.yml").write_text(root)
    for name in names:
        write_service(directory / "services" / name, name)
    return directory


def write_service(folder: Path, name: str) -> None:
    """A table, a function and an HTTP API."""
    (folder / "src").mkdir(parents=True)
    (folder / "fairway.yml").write_text(SERVICE.format(name=name))
    (folder / "src" / "app.py").write_text(CODE.format(name=name))


def edit(file: Path, old: str, new: str) -> None:
    """Replace a text that must be there, once."""
    text = file.read_text()
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new, 1))
