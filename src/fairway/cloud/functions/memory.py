"""How much memory a process has used at most."""

from __future__ import annotations

import os

_FRESH = 0.1  # seconds that a reading is good for: reading costs more than a small request


class PeakMemory:
    """The largest resident size of one process, in MB; 0 where the system does not tell.

    Read from Linux's /proc; elsewhere it is known only once the process has ended.
    """

    def __init__(self, pid: int) -> None:
        self._megabytes = 0
        self._read_at = float("-inf")
        try:
            self._file = os.open(f"/proc/{pid}/status", os.O_RDONLY)
        except OSError:
            self._file = -1

    def read(self, now: float) -> int:
        """Give the peak so far; `now` in seconds of any steady clock."""
        if self._file >= 0 and now - self._read_at > _FRESH:
            self._read_at = now
            try:
                status = os.pread(self._file, 4096, 0)
            except OSError:
                return self._megabytes
            _, found, rest = status.partition(b"VmHWM:")
            if found:
                self.record(int(rest.split(None, 1)[0]))
        return self._megabytes

    def record(self, kibibytes: int) -> None:
        """Take a peak known from elsewhere."""
        self._megabytes = max(self._megabytes, -(-kibibytes // 1024))

    def close(self) -> None:
        """Let the process go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
