"""fairway.yml -> App: strict reading, environment overlays, a place for every value."""

from fairway.define.app import FILE_NAME, LOCAL, App
from fairway.define.definition import (
    Definition,
    define_app,
    define_service,
    list_environments,
    read_root,
)
from fairway.define.workspace import Service, Workspace, find_home, list_services

__all__ = [
    "FILE_NAME",
    "LOCAL",
    "App",
    "Definition",
    "Service",
    "Workspace",
    "define_app",
    "define_service",
    "find_home",
    "list_environments",
    "list_services",
    "read_root",
]
