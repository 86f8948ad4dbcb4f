"""The door of the console script: lets Python keep what it compiles, then runs the command line.

It imports next to nothing, since what it imports is compiled before anything is kept.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

_TELLING = (__name__, "ministack")
"""Where these are compiled, what else is needed will be: one is ours, one the cloud's largest."""


def main() -> None:
    """Run the command line and exit."""
    # What a command makes lives to its end: looking for garbage often took a sixth of the time.
    gc.set_threshold(200_000, 20, 20)
    keep_compiled_modules(find_cache())
    from fairway.cli.main import main as run_command_line

    run_command_line()


def keep_compiled_modules(cache: Path | None, telling: Collection[str] = _TELLING) -> None:
    """Keep compiled modules in a folder of our own where Python would keep none.

    That is so under PYTHONDONTWRITEBYTECODE and where the packages are read-only. To compile
    the local cloud at each start takes more than a second, and 30 MiB for as long as it runs.
    Nothing changes where compiled modules lie beside their sources, as pip leaves them, or
    will; nor where PYTHONPYCACHEPREFIX names another place. A few that lie there, because
    something ran without the variable, are no use for the rest. telling: modules that are
    looked at. cache: None keeps nothing.
    """
    is_kept = not sys.dont_write_bytecode and os.access(__file__, os.W_OK)
    if cache is None or sys.pycache_prefix is not None or is_kept:
        return
    if all(map(_is_compiled, telling)):
        return
    sys.pycache_prefix = str(cache)
    sys.dont_write_bytecode = False


def _is_compiled(module: str) -> bool:
    """Whether a module lies beside its source in compiled form; it is not imported for it."""
    spec = find_spec(module)
    return spec is not None and bool(spec.cached) and Path(spec.cached or "").is_file()


def find_cache() -> Path | None:
    """The folder for it in the user's cache ("XDG Base Directory Specification").

    None for a user without a home, as an unnamed one in a container.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        caches = named if named.is_absolute() else Path("~/.cache").expanduser()
    except RuntimeError:
        return None
    return caches / "fairway" / "bytecode"
