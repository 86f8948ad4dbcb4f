"""Events as they happen, on stderr: one line a step, a moving line while it runs."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType

from fairway.cli.render.human import say
from fairway.events import (
    Event,
    LogLine,
    Notice,
    ResourceProgress,
    StepAdvanced,
    StepFinished,
    StepStarted,
)

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PATIENCE = 1.0  # seconds until the moving line appears


class Progress:
    """Renders events; use as a context manager around what reports them.

    verbose: one line for each resource too. Without a terminal there is no moving line.
    """

    def __init__(self, *, verbose: bool = False, quiet: bool = False) -> None:
        self._verbose = verbose
        self._quiet = quiet
        self._moving = sys.stderr.isatty() and not quiet and os.environ.get("TERM") != "dumb"
        self._running: dict[str, float] = {}
        self._far: dict[str, str] = {}
        self._last = ""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Progress:
        if self._moving:
            self._thread = threading.Thread(target=self._move, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._clear()

    def __call__(self, event: Event) -> None:
        """Take one event."""
        with self._lock:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case StepStarted(name):
                self._running[name] = time.monotonic()
            case StepAdvanced(name, done, total):
                self._far[name] = f" ({done} of {total})"
            case StepFinished(name, seconds, detail, minor):
                self._running.pop(name, None)
                self._far.pop(name, None)
                if minor:
                    return
                more = f", {detail}" if detail else ""
                self._line(f"  {name} ({seconds:.2f} s{more})")
            case ResourceProgress() if self._verbose or event.status.endswith("_FAILED"):
                reason = f": {event.reason}" if event.reason else ""
                self._line(f"    {event.status:<20} {event.logical_id}{reason}")
            case ResourceProgress():
                self._last = f"{event.logical_id} {event.status.lower()}"
            case Notice(text):
                self._line(f"  note: {text}")
            case LogLine(component, text):
                self._line(f"{component:<12} {text}")

    def _line(self, text: str) -> None:
        if self._quiet:
            return
        self._clear()
        say(text, err=True)

    def _clear(self) -> None:
        if self._moving:
            sys.stderr.write("\r\x1b[K")

    def _move(self) -> None:
        frame = 0
        while not self._stop.wait(0.1):
            with self._lock:
                now = time.monotonic()
                slow = [(n, now - t) for n, t in self._running.items() if now - t > _PATIENCE]
                if not slow:
                    continue
                frame = (frame + 1) % len(_FRAMES)
                steps = ", ".join(f"{n}{self._far.get(n, '')} {s:.0f} s" for n, s in slow)
                text = f"{_FRAMES[frame]} {steps}  {self._last}"
                sys.stderr.write(f"\r\x1b[K{text[:110]}")
                sys.stderr.flush()
