"""Local ports: chosen once, remembered, changed only when somebody else took them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from fairway.cloud.control.settings import write_private

FIRST_PORT = 8080
LAST_PORT = 8179


def is_free(port: int) -> bool:
    """Whether this machine lets us listen on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def any_free_port() -> int:
    """A port that the system picks."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PortBook:
    """Names to ports, kept in a file.

    A name is that of a logical listener (stack and logical id, or the
    resource's own name), so that the port outlives the resource's ARN.
    """

    def __init__(self, path: Path, probe: Callable[[int], bool] = is_free) -> None:
        self._path = path
        self._probe = probe
        self._ports = self._read()

    def _read(self) -> dict[str, int]:
        try:
            document = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        if not isinstance(document, dict):
            return {}
        return {
            str(name): port
            for name, port in document.items()
            if isinstance(port, int) and 0 < port < 65536
        }

    def recall(self, name: str) -> int | None:
        """The port of a name, if it ever had one."""
        return self._ports.get(name)

    def assign(self, name: str, in_use: Iterable[int] = ()) -> int:
        """The port of a name: the remembered one if free, else a new one, remembered.

        in_use: ports that resources of this cloud hold right now.
        """
        taken = set(in_use)
        known = self._ports.get(name)
        if known is not None and known not in taken and self._probe(known):
            return known
        return self._remember(name, self._choose(taken | set(self._ports.values())))

    def replace(self, name: str) -> int:
        """Give a name another port, because its own is not to be had."""
        return self._remember(name, self._choose(set(self._ports.values())))

    def keep(self, name: str, port: int) -> None:
        """Remember a port that was chosen otherwise."""
        self._remember(name, port)

    def _choose(self, avoid: set[int]) -> int:
        for port in range(FIRST_PORT, LAST_PORT + 1):
            if port not in avoid and self._probe(port):
                return port
        return any_free_port()

    def _remember(self, name: str, port: int) -> int:
        self._ports[name] = port
        write_private(self._path, json.dumps(dict(sorted(self._ports.items())), indent=1))
        return port
