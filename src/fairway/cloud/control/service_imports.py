"""Which services of the emulator are in memory, and which are put off until something asks them.

The CloudFormation engine imports forty services, for a template may name them: 17 MiB and 0.15 s
of a core at every start, for resource types that most applications do not have. So it is given a
stand-in for each, which imports the service when the engine first asks it for something.

Stand-ins are the engine's alone: after its import, whoever imports a service gets the service.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any


class StandIn(ModuleType):
    """Looks like a module that is imported when it is first asked for something."""

    def __init__(self, name: str, imports: ServiceImports) -> None:
        super().__init__(name)
        super().__setattr__("_stand_in_imports", imports)

    def __getattr__(self, name: str) -> Any:
        if _is_special(name):  # what a module may lack; the import system looks for them
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(find_module(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if _is_special(name):  # set by the import system, and about this module
            super().__setattr__(name, value)
        else:
            setattr(find_module(self), name, value)


def find_module(module: ModuleType) -> ModuleType:
    """What a stand-in stands for, imported if need be; any other module as it is."""
    if not isinstance(module, StandIn):
        return module
    own = vars(module)
    if "_stand_in_real" not in own:
        own["_stand_in_real"] = own["_stand_in_imports"].import_really(module)
    real: ModuleType = own["_stand_in_real"]
    return real


class ServiceImports(MetaPathFinder):
    """Follows the imports of a package's modules, and puts off those asked for meanwhile.

    package: the services' ("ministack.services"); modules below its own are left alone.
    """

    def __init__(self, package: str) -> None:
        self._prefix = f"{package}."
        self._wanted: set[str] = set()
        self._importing: set[str] = set()
        self._thread: int | None = None
        self.count = 0
        """Services imported since the installation."""
        self.imported: Callable[[str, ModuleType], None] = lambda name, module: None
        """Called at the end of each import, in its thread, before anybody has the service."""

    def install(self) -> None:
        """Begin, in place of an earlier one in this process."""
        others = [finder for finder in sys.meta_path if not isinstance(finder, ServiceImports)]
        sys.meta_path[:] = [self, *others]

    @contextlib.contextmanager
    def put_off(self, *needed: str) -> Iterator[None]:
        """Inside, a service that this thread imports is a stand-in, but for those needed."""
        self._wanted.update(self._prefix + name for name in needed)
        self._thread = threading.get_ident()
        try:
            yield
        finally:
            self._thread = None
            for name, module in list(sys.modules.items()):
                if isinstance(module, StandIn) and name.startswith(self._prefix):
                    _withdraw(module)

    def import_really(self, module: StandIn) -> ModuleType:
        """Import what a stand-in stands for. Raises what the import does."""
        # The import system's own locks make a second thread wait, and see to circles.
        self._wanted.add(module.__name__)
        _withdraw(module)
        return importlib.import_module(module.__name__)

    def find_imported(self, name: str) -> ModuleType | None:
        """A service that is imported to its end; a thread may be in the middle of one."""
        full = self._prefix + name
        module = sys.modules.get(full)
        return None if full in self._importing or isinstance(module, StandIn) else module

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As the import system asks; only the package's own modules are answered."""
        if not fullname.startswith(self._prefix) or "." in fullname[len(self._prefix) :]:
            return None
        if threading.get_ident() == self._thread and fullname not in self._wanted:
            return ModuleSpec(fullname, _StandInLoader(self))
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _FollowedLoader(spec.loader.name, spec.loader.path)
            spec.loader.imports = self
        return spec

    def follow_import(self, name: str, is_done: bool) -> None:
        """An import begins, or has come to its end."""
        if not is_done:
            self._importing.add(name)
            return
        self._importing.discard(name)
        self.count += 1


class _StandInLoader(Loader):
    def __init__(self, imports: ServiceImports) -> None:
        self._imports = imports

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandIn(spec.name, self._imports)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing yet."""


class _FollowedLoader(SourceFileLoader):
    imports: ServiceImports

    def exec_module(self, module: ModuleType) -> None:
        self.imports.follow_import(self.name, is_done=False)
        try:
            super().exec_module(module)
            self.imports.imported(self.name.rpartition(".")[2], module)
        finally:
            self.imports.follow_import(self.name, is_done=True)


def _withdraw(module: StandIn) -> None:
    """Let the next import of the name find the module itself."""
    package, _, name = module.__name__.rpartition(".")
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]
    if getattr(sys.modules.get(package), name, None) is module:
        delattr(sys.modules[package], name)


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
