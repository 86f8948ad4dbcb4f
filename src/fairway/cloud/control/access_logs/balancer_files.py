"""Load balancers' access logs on their way into buckets, as files of five minutes.

Pages "Access logs for your Application Load Balancer" and "Enable access logs for your
Application Load Balancer".
"""

from __future__ import annotations

import asyncio
import gzip
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fairway.cloud.control.access_logs.balancer_line import write_line
from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.model import Listener

_log = logging.getLogger(__name__)

INTERVAL = 300.0
"""Seconds that a file covers."""

MOST_BYTES = 8 * 1024 * 1024
"""Of text in one file; a busy load balancer delivers several for the same time."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a load balancer's access logs go."""

    balancer: str
    bucket: str
    prefix: str

    def name_folder(self) -> str:
        """Everything before the region: "prefix/AWSLogs/account"."""
        account = self.balancer.split(":")[4]
        start = f"{self.prefix.strip('/')}/" if self.prefix.strip("/") else ""
        return f"{start}AWSLogs/{account}"

    def name_file(self, end: float, chance: str) -> str:
        """The key of a file that ends at this time (epoch seconds)."""
        _, _, _, region, account, resource = self.balancer.split(":", 5)
        name = resource.removeprefix("loadbalancer/").replace("/", ".")
        day = time.strftime("%Y/%m/%d", time.gmtime(end))
        stamp = time.strftime("%Y%m%dT%H%MZ", time.gmtime(end))
        folder = f"{self.name_folder()}/elasticloadbalancing/{region}/{day}"
        return (
            f"{folder}/{account}_elasticloadbalancing_{region}_{name}_{stamp}_127.0.0.1_"
            f"{chance}.log.gz"
        )

    @property
    def test_file(self) -> str:
        """The key of the object that shows that access is right."""
        return f"{self.name_folder()}/ELBAccessLogTestFile"


Store = Callable[[Place, str, bytes], str | None]
"""Stores an object as the log delivery service: place, key and body; why it may not, or None."""


@dataclass(slots=True)
class _File:
    lines: list[str] = field(default_factory=list)
    size: int = 0


class BalancerLogs:
    """Collects lines and delivers them. Used on the event loop only.

    read: a load balancer's attributes by its ARN. report: takes a sentence when
    a file cannot be delivered.
    """

    def __init__(
        self,
        read: Callable[[str], Mapping[str, str]],
        store: Store,
        report: Callable[[str], None],
        clock: Callable[[], float] = time.time,
        draw: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self._read = read
        self._store = store
        self._report = report
        self._clock = clock
        self._draw = draw
        self._places: dict[str, Place | None] = {}
        self._is_stale = False
        self._files: dict[Place, _File] = {}
        self._running: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def forget(self) -> None:
        """Attributes may have changed; may be called from any thread."""
        self._is_stale = True

    def note(self, listener: Listener, record: AccessRecord) -> None:
        """Take one request."""
        if self._is_stale:
            self._is_stale = False
            self._places = {}
        if listener.arn not in self._places:
            self._places[listener.arn] = self._find_place(listener.arn)
        place = self._places[listener.arn]
        if place is None:
            return
        file = self._files.setdefault(place, _File())
        line = write_line(listener, record)
        file.lines.append(line)
        file.size += len(line)
        if file.size > MOST_BYTES:
            self._send(place)

    def _find_place(self, listener: str) -> Place | None:
        balancer = listener.replace(":listener/", ":loadbalancer/").rpartition("/")[0]
        return read_place(balancer, self._read(balancer))

    def start(self) -> None:
        """Begin to deliver at the end of every five minutes."""
        self._running = asyncio.get_running_loop().create_task(self._deliver_regularly())

    async def _deliver_regularly(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL - self._clock() % INTERVAL)
            self.deliver()

    def deliver(self) -> None:
        """Send what was collected on its way."""
        for place in list(self._files):
            self._send(place)

    def _send(self, place: Place) -> None:
        file = self._files.pop(place)
        end = -(-self._clock() // INTERVAL) * INTERVAL
        task = asyncio.get_running_loop().create_task(self._write(place, file, end))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _write(self, place: Place, file: _File, end: float) -> None:
        body = await asyncio.to_thread(_pack, file.lines)
        try:
            failure = self._store(place, place.name_file(end, self._draw(4)), body)
        except Exception as error:
            _log.exception("an access log could not be stored")
            failure = repr(error)
        if failure is not None:
            self._report(
                f"{len(file.lines)} lines of the access log of {place.balancer} could not be "
                f"written to the bucket {place.bucket}: {failure}."
            )

    async def stop(self) -> None:
        """Deliver what is there, and end."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self.deliver()
        await asyncio.gather(*self._sending)


def read_place(balancer: str, attributes: Mapping[str, str]) -> Place | None:
    """Where a load balancer's access logs go, or None when they are off."""
    bucket = attributes.get("access_logs.s3.bucket") or ""
    if attributes.get("access_logs.s3.enabled") != "true" or not bucket:
        return None
    return Place(balancer, bucket, attributes.get("access_logs.s3.prefix") or "")


def _pack(lines: list[str]) -> bytes:
    text = "\n".join(lines) + "\n"
    return gzip.compress(text.encode("utf-8", "replace"), 6)
