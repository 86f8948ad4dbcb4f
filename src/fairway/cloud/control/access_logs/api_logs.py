"""HTTP APIs' access logs: a line for each request, in the log group that the stage names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fairway.cloud.control.access_logs.api_line import WriteLine, compile_format
from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.model import HttpApi
from fairway.cloud.functions.model import WriteLog


@dataclass(frozen=True, slots=True)
class _Log:
    group: str
    stream: str
    write: WriteLine


class ApiLogs:
    """Writes access logs. find_stage: a stage's record by API id and name."""

    def __init__(
        self, find_stage: Callable[[str, str], Mapping[str, Any]], write_log: WriteLog
    ) -> None:
        self._find_stage = find_stage
        self._write_log = write_log
        self._known: dict[tuple[str, str], _Log | None] = {}
        self._is_stale = False

    def forget(self) -> None:
        """Stages may have changed; may be called from any thread."""
        self._is_stale = True

    def note(self, api: HttpApi, record: AccessRecord) -> None:
        """Take one request; called on the event loop."""
        if self._is_stale:
            self._is_stale = False
            self._known = {}
        key = (api.api_id, api.stage)
        if key not in self._known:
            self._known[key] = read_log(self._find_stage(*key), api)
        log = self._known[key]
        if log is not None:
            at = int((record.time + record.seconds) * 1000)
            self._write_log(log.group, log.stream, [(at, log.write(api, record))])


def read_log(stage: Mapping[str, Any], api: HttpApi) -> _Log | None:
    """Where and how a stage logs; None without access logs or with another destination."""
    settings = {name[:1].lower() + name[1:]: v for name, v in stage.items()}
    log = settings.get("accessLogSettings") or {}
    log = {name[:1].lower() + name[1:]: value for name, value in log.items()}
    destination, text = str(log.get("destinationArn") or ""), str(log.get("format") or "")
    parts = destination.split(":", 6)
    if len(parts) < 7 or parts[2] != "logs" or not text:
        return None
    group = parts[6].removesuffix(":*")
    return _Log(group, f"{api.api_id}/{api.stage}", compile_format(text))
