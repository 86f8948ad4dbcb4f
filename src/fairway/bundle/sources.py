"""Bundle: directories of code in, archives for Lambda out.

The route of one source: list its files (scan), find what it asks for
(requirements), install that once per platform (layers), read the files whose
stats changed (records), write an archive unless there is one of the same
contents already (pack, archive).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

from fairway.bundle.artifact import Artifact, Source
from fairway.bundle.layers import Layer, build_layer, load_layer, name_layer, suggest_leaving_out
from fairway.bundle.pack import Job, check_size, find_packed, pack_job
from fairway.bundle.records import identify_source
from fairway.bundle.requirements import find_requirements
from fairway.bundle.resolve import RunUv, run_uv
from fairway.bundle.scan import scan_source
from fairway.bundle.store import Store, explain_write_error, hold_store, prune_store
from fairway.errors import BundleFailed
from fairway.events import Event, Report, StepFinished, StepStarted, ignore_events

RESOLVES_AT_ONCE = 4

ReadClock = Callable[[], float]
"""Seconds from any start, for the durations that are reported."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def bundle_sources(
    sources: Sequence[Source],
    cache: Path,
    report: Report = ignore_events,
    *,
    run: RunUv = run_uv,
    read_clock: ReadClock = time.monotonic,
) -> tuple[Artifact, ...]:
    """Make or find the archive of each source; the answer has the order of `sources`.

    cache: a directory of our own that may be removed at any time. run: how uv is
    started. Raises BundleFailed; when several sources fail, `detail` has every reason.
    """
    report = _report_in_turn(report)
    unique = {identify_source(source): source for source in sources}
    with hold_store(cache, report) as store:
        try:
            jobs = _try_each(unique, lambda source: _prepare_job(source, cache))
            found = {name: find_packed(store, job) for name, job in jobs.items()}
            stale = {name: job for name, job in jobs.items() if found[name] is None}
            layers = _find_layers(store, stale, run, report, read_clock)
            packed = _try_each(
                stale, lambda job: pack_job(store, job, layers.get(job.layer_key), report)
            )
            done = {name: found[name] or packed[name] for name in unique}
            if stale:
                _prune(store, jobs, {result.path for result in done.values()})
        except OSError as error:
            raise explain_write_error(cache, error) from error
    return tuple(
        Artifact(source.name, result.digest, result.path, result.size)
        for source in sources
        for result in (done[identify_source(source)],)
    )


def _prepare_job(source: Source, cache: Path) -> Job:
    entries = scan_source(source.path, source.platform, cache)
    if source.platform.language == "nodejs":
        _check_node_modules(source)
        job = Job(source, entries, None, None)
    else:
        wanted = find_requirements(source.path)
        key = name_layer(wanted, source.platform) if wanted else None
        job = Job(source, entries, wanted, key)
    check_size(job, None)
    return job


def _check_node_modules(source: Source) -> None:
    file = source.path / "package.json"
    if not file.is_file() or (source.path / "node_modules").is_dir():
        return
    try:
        said = json.loads(file.read_bytes())
    except ValueError as error:
        raise BundleFailed(f"{file} is not JSON: {error}", hint="correct it there") from error
    if isinstance(said, dict) and said.get("dependencies"):
        raise BundleFailed(
            f"{file} has dependencies and there is no node_modules beside it",
            hint=f"run npm ci --omit=dev in {source.path}",
        )


def _find_layers(
    store: Store, jobs: Mapping[str, Job], run: RunUv, report: Report, read_clock: ReadClock
) -> dict[str | None, Layer]:
    """Load the layers that jobs need and build those that are missing, several at once."""
    wanted = {job.layer_key: job for job in jobs.values() if job.layer_key is not None}
    layers: dict[str | None, Layer] = {}
    for key in wanted:
        layer = load_layer(store, key)
        if layer is not None:
            layers[key] = layer

    def build(job: Job) -> Layer:
        assert job.requirements is not None
        assert job.layer_key is not None
        platform = job.source.platform
        step = f"installing {job.requirements.file} for {platform.language}{platform.version}"
        with _report_step(report, f"{step} on {platform.architecture}", read_clock):
            layer = build_layer(store, job.layer_key, job.requirements, platform, run)
        suggest_leaving_out(layer, job.requirements, report)
        return layer

    missing = {key: job for key, job in wanted.items() if key not in layers}
    layers.update(_try_each(missing, build, at_once=RESOLVES_AT_ONCE).items())
    return layers


def _prune(store: Store, jobs: Mapping[str, Job], archives: set[Path]) -> None:
    indexes = {store.layer(job.layer_key) for job in jobs.values() if job.layer_key}
    data = {index.with_suffix(".data") for index in indexes}
    prune_store(store, {*archives, *indexes, *data, *map(store.record, jobs)})


def _try_each(
    wanted: Mapping[str, _In], work: Callable[[_In], _Out], at_once: int = 1
) -> dict[str, _Out]:
    """Do all of the work and collect what failed, so that the user sees every reason at once."""
    failed: list[BundleFailed] = []

    def attempt(value: _In) -> _Out | None:
        try:
            return work(value)
        except BundleFailed as error:
            failed.append(error)
            return None

    if at_once > 1 and len(wanted) > 1:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(at_once, len(wanted))) as pool:
            results = list(pool.map(attempt, wanted.values()))
    else:
        results = [attempt(value) for value in wanted.values()]
    if failed:
        raise _join_failures(failed)
    return {
        name: result for name, result in zip(wanted, results, strict=True) if result is not None
    }


def _join_failures(failed: Sequence[BundleFailed]) -> BundleFailed:
    first = failed[0]
    if len(failed) == 1:
        return first
    reasons = dict.fromkeys(
        f"{error.summary}\n  hint: {error.hint}" if error.hint else error.summary
        for error in failed
    )
    return BundleFailed(
        f"{len(failed)} sources cannot be bundled; the first: {first.summary}",
        hint=first.hint,
        detail="\n".join(reasons),
    )


def _report_in_turn(report: Report) -> Report:
    """Let one thread at a time report: renderers need not be prepared for several."""
    lock = Lock()

    def report_alone(event: Event) -> None:
        with lock:
            report(event)

    return report_alone


@contextmanager
def _report_step(report: Report, name: str, read_clock: ReadClock) -> Iterator[None]:
    report(StepStarted(name))
    began = read_clock()
    yield
    report(StepFinished(name, read_clock() - began))
