"""fairway.yml -> App: strict reading, environment overlays, a place for every value."""

from fairway.define.app import FILE_NAME, LOCAL, App
from fairway.define.definition import Definition, define_app, list_environments

__all__ = ["FILE_NAME", "LOCAL", "App", "Definition", "define_app", "list_environments"]
