"""What was measured survives a restart, and a restart changes no alarm."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.cloud.control.journal import Journal
from fairway.cloud.control.metrics.keeping import SHARE, STORE, MetricKeeper
from fairway.cloud.control.metrics.measure import Measure
from fairway.cloud.control.metrics.reading import MetricReader, take_statistic
from fairway.cloud.control.metrics.store import HOUR, HOURS_KEPT, MINUTE, Metric, MetricStore
from fairway.cloud.control.metrics.watch import AlarmWatch

HOME = ("000000000000", "eu-west-1")
ERRORS = Metric("AWS/Lambda", "Errors", (("FunctionName", "api"),))
TIMES = Metric("AWS/Lambda", "Duration", (("FunctionName", "api"),))
BEGIN = 1_700_000_000 // HOUR * HOUR


def measure(*values: float) -> Measure:
    made = Measure()
    for value in values:
        made.add(value)
    return made


class Disk:
    """A journal in a folder, and what a restart of the cloud finds in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = 0
        self.is_full = False
        self._journal = Journal(folder)
        self._journal.open()

    def append(self, lines: list[bytes]) -> None:
        if self.is_full:
            raise OSError("no room")
        self.written += len(lines)
        self._journal.append(b"\n".join(lines) + b"\n")

    def restart(self) -> tuple[MetricStore, MetricKeeper]:
        """A new store with what a killed cloud had written."""
        self._journal = Journal(self.folder)
        store = MetricStore()
        keeper = MetricKeeper(store, self.append)
        groups = self._journal.open().groups
        keeper.restore(groups)
        assert not [name for name in groups if name[0] == STORE]
        list(keeper.load())
        return store, keeper


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_all_statistics_survive(disk: Disk) -> None:
    store, keeper = disk.restart()
    vague = Measure()
    vague.add_set(4, 10.0, 1.0, 5.0)
    kept = {BEGIN: measure(1.0, 5.0, 200.0), BEGIN + 60: measure(3.0), BEGIN + 120: vague}
    for minute, values in kept.items():
        store.add(TIMES, "Milliseconds", minute, values)
    list(keeper.write())
    again, _ = disk.restart()
    series = again.find(TIMES)
    assert series is not None
    assert series.unit == "Milliseconds"
    for minute, values in kept.items():
        found = series.minutes[minute]
        for statistic in ("SampleCount", "Sum", "Minimum", "Maximum", "Average", "p50", "p99"):
            assert take_statistic(found, statistic) == take_statistic(values, statistic)


def test_a_minute_goes_on_after_a_restart(disk: Disk) -> None:
    store, keeper = disk.restart()
    store.add(ERRORS, "Count", BEGIN, measure(1.0, 1.0))
    list(keeper.write())
    store, keeper = disk.restart()
    store.add(ERRORS, "Count", BEGIN, measure(1.0))
    list(keeper.write())
    store, _ = disk.restart()
    series = store.find(ERRORS)
    assert series is not None
    assert series.minutes[BEGIN].total == 3.0


def test_only_what_changed_is_written(disk: Disk) -> None:
    store, keeper = disk.restart()
    for minute in range(10):
        store.add(ERRORS, "Count", BEGIN + 60 * minute, measure(1.0))
    list(keeper.write())
    assert disk.written == 10
    store.add(ERRORS, "Count", BEGIN + 540, measure(1.0))
    list(keeper.write())
    list(keeper.write())
    assert disk.written == 11


def test_folded_and_forgotten_points_leave_the_journal(disk: Disk) -> None:
    store, keeper = disk.restart()
    for minute in range(60):
        store.add(ERRORS, "Count", BEGIN + 60 * minute, measure(1.0))
    store.fold(BEGIN)
    list(keeper.write())
    store.fold(BEGIN + 5 * HOUR)
    list(keeper.write())
    store, keeper = disk.restart()
    series = store.find(ERRORS)
    assert series is not None
    assert (series.minutes, series.hours[BEGIN].total) == ({}, 60.0)
    store.fold(BEGIN + HOURS_KEPT + 2 * HOUR)
    list(keeper.write())
    store, _ = disk.restart()
    assert len(store) == 0


def test_nothing_is_lost_when_the_disk_is_full_or_the_write_is_not_awaited(disk: Disk) -> None:
    store, keeper = disk.restart()
    for minute in range(SHARE + 5):
        store.add(ERRORS, "Count", BEGIN + 60 * minute, measure(1.0))
    disk.is_full = True
    with pytest.raises(OSError, match="no room"):
        list(keeper.write())
    disk.is_full = False
    writing = keeper.write()
    next(writing)
    writing.close()  # type: ignore[attr-defined]
    assert disk.written == SHARE
    list(keeper.write())
    assert disk.written == SHARE + 5


# --- alarms -----------------------------------------------------------------------


def watch_after(down: int, missing: str, state: str, resumed: bool) -> str:
    """The state of an alarm on errors a minute after a cloud that was down so long came up."""
    now = BEGIN + 10 * HOUR
    store = MetricStore()
    store.add(ERRORS, "Count", now - down - MINUTE, measure(0.0))
    alarm = {
        "AlarmName": "errors",
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "FunctionName", "Value": "api"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 0.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": missing,
        "StateValue": state,
    }
    reader = MetricReader(store, HOME, lambda scope: {})
    watch = AlarmWatch(
        reader,
        lambda: [(HOME, alarm)],
        lambda scope, change: None,
        lambda: float(now + MINUTE),
        float(now) if resumed else None,
    )
    watch.evaluate_due()
    return str(alarm["StateValue"])


@pytest.mark.parametrize("state", ["OK", "ALARM"])
@pytest.mark.parametrize("missing", ["missing", "breaching", "notBreaching"])
def test_the_time_without_a_cloud_changes_no_alarm(missing: str, state: str) -> None:
    assert watch_after(8 * HOUR, missing, state, resumed=True) == state


def test_without_a_restart_missing_data_counts() -> None:
    assert watch_after(8 * HOUR, "missing", "OK", resumed=False) == "INSUFFICIENT_DATA"
    assert watch_after(8 * HOUR, "breaching", "OK", resumed=False) == "ALARM"


def test_values_from_before_a_restart_decide() -> None:
    assert watch_after(0, "missing", "ALARM", resumed=True) == "OK"


def test_an_alarm_without_a_state_gets_one_after_a_restart() -> None:
    assert watch_after(8 * HOUR, "notBreaching", "INSUFFICIENT_DATA", resumed=True) == "OK"
