"""Models without pydantic's search for plugins: it takes a tenth of what `fairway plan` takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_SEARCH = "pydantic.plugin._loader"


class _NoPlugins(ModuleType):
    """Stands in for the module that looks for plugins; whatever else is asked of it, it loads."""

    def get_plugins(self) -> tuple[()]:
        return ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by Python itself, of every module
            raise AttributeError(name)
        _remove(self)
        return getattr(import_module(_SEARCH), name)


@contextmanager
def skip_plugins() -> Iterator[None]:
    """Import our models in here: pydantic finds no plugins for them, and does not look.

    Before it makes its first model it reads the metadata of every installed package, with
    libraries for mail and archives that nothing of ours needs; PYDANTIC_DISABLE_PLUGINS only
    drops what it found. Models made later are searched for as ever. Where pydantic looks from
    another module, or has done so before, nothing changes.
    """
    if _SEARCH in sys.modules:
        yield
        return
    search = sys.modules[_SEARCH] = _NoPlugins(_SEARCH)
    try:
        yield
    finally:
        _remove(search)


def _remove(search: ModuleType) -> None:
    if sys.modules.get(_SEARCH) is search:
        del sys.modules[_SEARCH]
