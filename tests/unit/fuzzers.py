"""The fuzzers of bench/, which are programs and no package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parents[2] / "bench"


def load_fuzzer(name: str) -> Any:
    """A fuzzer as a module, with what it shares with others."""
    for each in ("fuzzing", name):
        if each not in sys.modules:
            spec = importlib.util.spec_from_file_location(each, BENCH / f"{each}.py")
            assert spec is not None
            assert spec.loader is not None
            module = sys.modules[each] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
    return sys.modules[name]
