"""Each code that an error has under --json is in the reference, and is no other's."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import fairway
from fairway.errors import FairwayError

# Applications for users; and the local cloud, which meets the command line only over HTTP.
NOT_OURS = ("fairway.templates", "fairway.cloud")
NO_CLASS = {"usage", "interrupted", "bug"}


def list_codes() -> list[str]:
    """The codes of all errors of the command line, of each class that has one of its own."""
    for module in pkgutil.walk_packages(fairway.__path__, "fairway."):
        if not module.name.startswith(NOT_OURS):
            importlib.import_module(module.name)
    kinds: list[type[FairwayError]] = [FairwayError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    ours = [kind for kind in dict.fromkeys(kinds) if not kind.__module__.startswith(NOT_OURS)]
    assert [kind for kind in ours if "code" not in vars(kind)] == []
    return [kind.code for kind in ours]


def test_every_code_is_documented_and_means_one_thing(generate: ModuleType) -> None:
    documented = importlib.import_module("pages.commands").ERROR_CODES
    codes = list_codes()
    assert len(codes) == len(set(codes))
    assert {*codes, *NO_CLASS} == set(documented)
