"""Notifications are handed on before the request that caused them is answered.

ministack starts a thread for each notification of a bucket and of a topic to a
function: a kill right after the answer would lose it. What such a thread does
is only to put the event into the next service's store, so it is done at once;
then it is written in the same batch as the change that caused it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

_log = logging.getLogger(__name__)

Judge = Callable[[Any, tuple[Any, ...]], bool]
"""Whether this target with these arguments runs at once."""


class InlineThreads:
    """A module's `threading`, with some threads that are run at once by whoever starts them."""

    def __init__(self, original: ModuleType, is_inline: Judge) -> None:
        self._original = original
        self._is_inline = is_inline

    def Thread(  # noqa: N802 - the name that ministack calls
        self,
        *,
        target: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """A thread, or something with a `start` that runs the target."""
        if self._is_inline(target, args):
            return _Call(target, args, kwargs or {})
        return self._original.Thread(target=target, args=args, kwargs=kwargs, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class _Call:
    """What is started is done when `start` returns; its failure is its own, as a thread's is."""

    def __init__(self, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self._target, self._args, self._kwargs = target, args, kwargs

    def start(self) -> None:
        try:
            self._target(*self._args, **self._kwargs)
        except Exception:  # whoever published or stored has done so, whatever became of this
            _log.exception("a notification could not be handed on")


def patch_notifications() -> None:
    """Buckets notify, and topics invoke functions, before the answer leaves."""
    from ministack.services import s3, sns

    s3.threading = InlineThreads(s3.threading, lambda _, args: args[:1] == (s3._fire_s3_event,))
    sns._threading = InlineThreads(
        sns._threading, lambda _, args: args[:1] == (sns._deliver_to_lambda,)
    )
