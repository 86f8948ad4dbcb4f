"""`fairway init`: a working application directory."""

from __future__ import annotations

import re
import shlex
import shutil
from importlib.resources import files
from pathlib import Path

import click

from fairway.cli.names import Name
from fairway.cli.render.human import say, say_next
from fairway.define.app import FILE_NAME
from fairway.define.definition import nearest
from fairway.errors import FairwayError

TEMPLATES = {
    "timestamps": "an API behind a load balancer, in a private network, with a table",
    "notes": "an HTTP API with path parameters, two functions and a table",
}
_LEFT_OUT = shutil.ignore_patterns(".fairway", "__pycache__", "*.pyc")
_NAME = re.compile(r"[^a-z0-9]+")


def _list_templates() -> str:
    return "\b\n" + "\n".join(f"  {name:<12} {what}" for name, what in TEMPLATES.items())


@click.command(
    "init",
    epilog="Example: fairway init timestamps my-app",
    help="Make a working application in a new directory.\n\n"
    "Without DIRECTORY it is named as the template, without TEMPLATE that is timestamps:\n\n"
    + _list_templates(),
)
@click.argument("template", default="timestamps", type=Name("template"))
@click.argument("directory", required=False, type=click.Path(path_type=Path))
def command(template: str, directory: Path | None) -> None:
    """Copy a template and give it the directory's name."""
    if template not in TEMPLATES:
        near = nearest(template, TEMPLATES)
        hint = f"did you mean '{near}'?" if near else f"use one of {', '.join(TEMPLATES)}"
        raise FairwayError(f"there is no template '{template}'", hint=hint)
    target = directory or Path(template)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FairwayError(
            f"{target} exists and is not empty", hint="name another directory; nothing was changed"
        )
    source = find_source(Path(str(files("fairway"))), template)
    try:
        shutil.copytree(source, target, ignore=_LEFT_OUT, dirs_exist_ok=True)
        (target / ".gitignore").write_text(".fairway/\n__pycache__/\n")
        file = target / FILE_NAME
        name = _name_app(target)
        text = re.sub(r"(?m)^app: .*$", f"app: {name}", file.read_text(), count=1)
        file.write_text(text)
    except OSError as error:
        raise FairwayError(f"{target} cannot be written: {error.strerror or error}") from error
    named = "" if name == target.resolve().name else f"; the application is named {name}"
    say(f"made {target} from the template {template}{named}")
    for made in sorted(p for p in target.rglob("*") if p.is_file()):
        say(f"  {made}")
    say_next(f"cd {shlex.quote(str(target))} && fairway up")


def find_source(package: Path, template: str) -> Path:
    """The template's directory. Raises FairwayError for an installation that has lost it."""
    source = package / "templates" / template
    if not (source / FILE_NAME).is_file():
        raise FairwayError(
            f"this installation lacks the template {template}: there is no {source / FILE_NAME}",
            hint="install fairway again; nothing was changed",
        )
    return source


def _name_app(target: Path) -> str:
    """The directory's name in the form of an application's name."""
    name = _NAME.sub("-", target.resolve().name.lower()).strip("-")[:32].strip("-")
    return name if name and name[0].isalpha() else f"app-{name}".strip("-")
