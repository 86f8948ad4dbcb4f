"""An application is compiled once for the check and the plan, and anew for another placement."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from fairway.compile import compile_app
from fairway.define.definition import define_text

FILE = """\
app: shop
components:
  api: {type: function, handler: api.handler, runtime: python3.12}
  worker: {type: function, handler: worker.handler, runtime: python3.12}
"""


def test_the_same_placement_is_compiled_once(tmp_path: Path) -> None:
    app = define_text(FILE, tmp_path).require_app()
    templates = compile_app(app)
    assert compile_app(app, {}) is templates
    assert compile_app(app, {"api": 1}) is templates


def test_another_placement_is_compiled_anew(tmp_path: Path) -> None:
    app = define_text(FILE, tmp_path).require_app()
    first, moved = compile_app(app), compile_app(app, {"api": 2})
    assert "shop-local-app-2" not in [stack.name for stack in first.stacks]
    assert "shop-local-app-2" in [stack.name for stack in moved.stacks]
    again = compile_app(app)
    assert [s.to_json() for s in again.stacks] == [s.to_json() for s in first.stacks]


def test_an_application_that_was_read_again_is_compiled_again(tmp_path: Path) -> None:
    one = define_text(FILE, tmp_path).require_app()
    other = define_text(FILE.replace("worker", "helper"), tmp_path).require_app()
    assert "Worker" in compile_app(one).stacks[-1].resources
    assert "Helper" in compile_app(other).stacks[-1].resources


def test_templates_are_forgotten_with_their_application(tmp_path: Path) -> None:
    app = define_text(FILE, tmp_path).require_app()
    templates, watch = compile_app(app), weakref.ref(app)
    del app
    gc.collect()
    assert watch() is None
    assert templates.stacks
