"""Local ports: chosen once, remembered, changed only when somebody else has them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from fairway.cloud.control.reservations import BOOK, Reservations, find_folder, read_book
from fairway.cloud.control.settings import write_private

FIRST_PORT = 8080
LAST_PORT = 8179
USUAL = range(FIRST_PORT, LAST_PORT + 1)
"""Where a new listener's port comes from, unless the user names another range."""

VARIABLE = "FAIRWAY_PORTS"
"""The environment variable with that range, as FIRST-LAST."""


class PortsUnusable(Exception):
    """The range of ports that the user named is none; the text says what to write."""


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


def read_range(variables: Mapping[str, str]) -> range:
    """The range in FAIRWAY_PORTS, or the usual one. Raises PortsUnusable."""
    text = variables.get(VARIABLE, "").strip()
    if not text:
        return USUAL
    first, _, last = (part.strip() for part in text.partition("-"))
    if first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) < 65536:
        return range(int(first), int(last) + 1)
    raise PortsUnusable(
        f"{VARIABLE} is {text!r}, which is no range of ports: "
        f"write the first and the last, as in {VARIABLE}=9000-9099"
    )


class PortBook:
    """Names to ports, kept in a file.

    A name is that of a logical listener (stack and logical id, or the
    resource's own name), so that the port outlives the resource's ARN.
    reservations: where other applications' ports are known, and ours made known to them.
    choices: ports for new names, in the order in which they are tried. tell: takes a sentence
    for the user when none of them is to be had.
    """

    def __init__(
        self,
        path: Path,
        probe: Callable[[int], bool] = is_free,
        reservations: Reservations | None = None,
        choices: Sequence[int] = USUAL,
        tell: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._path = path
        self._probe = probe
        self._reservations = reservations or Reservations(None)
        self._choices = choices
        self._tell = tell
        self._ports = read_book(path)

    def recall(self, name: str) -> int | None:
        """The port of a name, if it ever had one."""
        return self._ports.get(name)

    def assign(self, name: str, in_use: Iterable[int] = ()) -> int:
        """The port of a name: the remembered one if free, else a new one, remembered.

        in_use: ports that resources of this cloud hold right now.
        """
        taken = set(in_use)
        with self._reservations.hold():
            taken.update(self._list_others())
            known = self._ports.get(name)
            if known is not None and known not in taken and self._probe(known):
                return self._remember(name, known)
            return self._remember(name, self._choose(name, taken | set(self._ports.values())))

    def claim(self, name: str, port: int) -> tuple[int, Path | None]:
        """The port for a name that was served on `port` before.

        It is another one if another application keeps that; the second value is its
        `.fairway` directory then.
        """
        with self._reservations.hold():
            others = self._list_others()
            keeper = others.get(port)
            if keeper is not None:
                port = self._choose(name, {*others, *self._ports.values()})
            return self._remember(name, port), keeper

    def replace(self, name: str) -> int:
        """Give a name another port, because its own is not to be had."""
        with self._reservations.hold():
            taken = {*self._list_others(), *self._ports.values()}
            return self._remember(name, self._choose(name, taken))

    def keep(self, name: str, port: int) -> None:
        """Remember a port that was chosen otherwise."""
        self._write(name, port)

    def _list_others(self) -> dict[int, Path]:
        return self._reservations.list_others(self._path.parent)

    def _choose(self, name: str, avoid: set[int]) -> int:
        for port in self._choices:
            if port not in avoid and self._probe(port):
                return port
        while (port := any_free_port()) in avoid:
            pass
        self._tell(
            f"Of the ports {self._choices[0]} to {self._choices[-1]} none is free: {name} is "
            f"served on {port}, and stays there. {VARIABLE}=FIRST-LAST names another range for "
            "what is new."
        )
        return port

    def _remember(self, name: str, port: int) -> int:
        self._write(name, port)  # first: a reservation holds by what the book says
        self._reservations.keep(port, self._path.parent)
        return port

    def _write(self, name: str, port: int) -> None:
        if self._ports.get(name) == port and self._path.exists():
            return
        ports = {**self._ports, name: port}
        write_private(self._path, json.dumps(dict(sorted(ports.items())), indent=1))
        self._ports = ports  # what could not be written is written the next time


def open_book(
    directory: Path,
    variables: Mapping[str, str],
    tell: Callable[[str], None] = lambda sentence: None,
) -> PortBook:
    """The port book of a `.fairway` directory; variables: the environment. Raises PortsUnusable."""
    return PortBook(
        directory / BOOK,
        reservations=Reservations(find_folder(variables)),
        choices=read_range(variables),
        tell=tell,
    )
