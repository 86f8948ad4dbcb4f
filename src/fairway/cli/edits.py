"""What the user saves, collected from the moment of watching on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from fairway.state import STATE_DIRECTORY

_IGNORED = (STATE_DIRECTORY, "__pycache__", ".git", ".venv", "node_modules")
# Edits arrive as bursts of file events; this is how long a burst may pause, in milliseconds.
_BURST_MS = 20
_LOOK = 0.25  # seconds between questions whether to go on waiting


class Edits:
    """Saved files below a directory; use as a context manager.

    They are watched by a thread of its own, so that what is saved while an edit is
    being applied, or during the first deployment, is not missed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._saved: queue.Queue[set[Path] | None] = queue.Queue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Edits:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=2)

    def take(self, goes_on: Callable[[], bool]) -> set[Path] | None:
        """Wait for edits and give the files of all there are; None when watching has ended.

        Files that editors write in passing are gone again, and are given only when
        nothing else is there. goes_on: asked again and again while nothing comes.
        """
        taken = [self._wait(goes_on)]
        while not self._saved.empty():
            taken.append(self._saved.get())
        batches = [batch for batch in taken if batch is not None]
        if len(batches) < len(taken):
            return None
        files = set().union(*batches)
        return {file for file in files if file.exists()} or files

    def _wait(self, goes_on: Callable[[], bool]) -> set[Path] | None:
        while goes_on():
            with suppress(queue.Empty):
                return self._saved.get(timeout=_LOOK)
        return None

    def wake(self) -> None:
        """Let `take` return without an edit; called on any thread."""
        self._saved.put(set())

    def end(self) -> None:
        """End the watching; called on any thread."""
        self._saved.put(None)

    def _watch(self) -> None:
        from watchfiles import DefaultFilter, watch

        class SourceFilter(DefaultFilter):
            ignore_dirs = (*DefaultFilter.ignore_dirs, *_IGNORED)

        try:
            for changes in watch(
                self._directory,
                watch_filter=SourceFilter(),
                debounce=_BURST_MS * 5,
                step=_BURST_MS,
                stop_event=self._stop,
            ):
                self._saved.put({Path(path) for _, path in changes})
        finally:
            self.end()
