"""Packages that the emulator imports and that nobody here runs.

ministack.app sets attributes of hypercorn's classes, the web server that it would run under;
here it is served by another. To import that server for nothing would take 4 MiB and 40 ms of
every start.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


@contextlib.contextmanager
def leave_out(package: str) -> Iterator[None]:
    """Inside, this thread imports the package and all below it as blank modules.

    Of a blank module every name can be imported: it is an empty class. Afterwards the package can
    be imported as it is. One that is imported already stays.
    """
    if package in sys.modules:
        yield
        return
    finder = _BlankFinder(package)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            if isinstance(module, _BlankModule) and finder.is_below(name):
                del sys.modules[name]


class _BlankModule(ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        made = type(name, (), {})
        setattr(self, name, made)
        return made


class _BlankFinder(MetaPathFinder, Loader):
    def __init__(self, package: str) -> None:
        self._package = package
        self._thread = threading.get_ident()

    def is_below(self, name: str) -> bool:
        return name == self._package or name.startswith(f"{self._package}.")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if threading.get_ident() != self._thread or not self.is_below(fullname):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _BlankModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """It stays blank."""
