"""Fairway: from one file to a running web application, here and on AWS.

The stages are importable from here; each loads only when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairway.aws import Aws, Endpoint
    from fairway.compile import compile_app
    from fairway.define import define_app
    from fairway.route import apply_plan, bundle_app, load_app, plan_app, plan_removal

__version__ = "0.1.0"

__all__ = [
    "Aws",
    "Endpoint",
    "apply_plan",
    "bundle_app",
    "compile_app",
    "define_app",
    "load_app",
    "plan_app",
    "plan_removal",
]

_HOMES = {
    "Aws": "fairway.aws",
    "Endpoint": "fairway.aws",
    "compile_app": "fairway.compile",
    "define_app": "fairway.define",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_HOMES.get(name, "fairway.route")), name)
    raise AttributeError(f"module 'fairway' has no attribute {name!r}")
