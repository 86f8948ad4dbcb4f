"""What the fuzzers share: damaged and cut inputs, a run with a bound on hangs, and its report."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

PATIENCE = 5
"""Seconds after which some dozens of inputs count as a hang."""

Fuzz = Callable[[int, int, Counter[str], Callable[[], object]], Coroutine[Any, Any, None]]
"""How many inputs, the seed, what to count in, and what to call before some dozens of inputs."""


class Failed(Exception):
    """An input broke something."""


def damage(
    draw: random.Random,
    data: bytes,
    pieces: Sequence[bytes],
    times: Sequence[int] = (1, 1, 2, 5),
    reach: int = 600,
) -> bytes:
    """Change an input in a few places of its first `reach` bytes; pieces: some to put in."""
    found = bytearray(data)
    for _ in range(draw.choice(times)):
        at = draw.randrange(min(len(found), reach) + 1)
        match draw.randrange(6):
            case 0 if found:
                found[min(at, len(found) - 1)] ^= 1 << draw.randrange(8)
            case 1:
                found[at:at] = draw.choice(pieces)
            case 2:
                del found[at : at + draw.randrange(1, 30)]
            case 3:
                del found[at:]
            case 4:
                found[at:at] = found[: draw.randrange(len(found) + 1)][:2000]
            case _:
                found[at:at] = draw.randbytes(draw.randrange(1, 40))
    return bytes(found)


def cut(draw: random.Random, data: bytes, chance: float, most: int) -> Iterator[bytes]:
    """An input in one piece or, by chance, with at most so many cuts; no piece is empty."""
    cuts: list[int] = []
    if draw.random() < chance:
        cuts = sorted(draw.randrange(len(data) + 1) for _ in range(draw.randrange(1, most + 1)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return filter(None, pieces)


def run_fuzzer(
    fuzz: Fuzz, arguments: Sequence[str], about: str, inputs: int, shown: Sequence[str]
) -> int:
    """Run as the command line asks and print the counts; returns the exit code.

    about: the fuzzer's docstring. inputs: how many unless told. shown: which counts to print.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=inputs)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGALRM, _raise_hang)
    counts: Counter[str] = Counter()
    began = time.monotonic()
    failure: Exception | None = None
    try:
        asyncio.run(fuzz(asked.inputs, asked.seed, counts, lambda: signal.alarm(PATIENCE)))
    except Exception as error:
        failure = error
        traceback.print_exc()
    finally:
        signal.alarm(0)
    seconds = time.monotonic() - began
    print(f"seed {asked.seed}: {counts['inputs']} inputs in {seconds:.1f} s")
    for name in shown:
        print(f"  {name}: {counts[name]}")
    print(f"  crashes and hangs: {0 if failure is None else f'1 ({failure})'}")
    return 0 if failure is None else 1


def _raise_hang(*_: object) -> None:
    raise Failed(f"some dozens of inputs took more than {PATIENCE} seconds")
