"""Make docs/conformance.md from the conformance suite: `python docs/conformance.py`.

It runs tests/parity and writes the page when every case passed. `--check` only
compares the page with the cases, without running them. Exit code 1: a case
failed, or the page is stale.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = Path(__file__).parent / "conformance.md"

sys.path.insert(0, str(ROOT))
from tests.parity.cases import OUTCOMES, Case, read_case  # noqa: E402

INTRODUCTION = """\
<!-- Made by docs/conformance.py from tests/parity; edit the cases, not this page. -->

# Conformance

What the local cloud does as AWS does, and where it differs. Each line is held by a test that
runs against a real local cloud; the page named is the one of AWS's documentation that the test
follows. What is not listed is not held by a test.
"""


class Collector:
    """A pytest plugin that keeps every case and whether it passed."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        found = [(item, read_case(item)) for item in items]
        items[:] = [item for item, case in found if case is not None]
        self.cases = [case for _, case in found if case is not None]


def collect_cases(run: bool) -> list[Case] | None:
    """All cases, or None when one failed. run: whether to run them or only to list them."""
    collector = Collector()
    arguments = [str(ROOT / "tests" / "parity"), "-q", "-p", "no:cacheprovider"]
    code = pytest.main(
        [*arguments, *([] if run else ["--collect-only", "-qq"])], plugins=[collector]
    )
    return collector.cases if code == 0 else None


def make_page(cases: list[Case]) -> str:
    """The page's text."""
    services = sorted({case.service for case in cases})
    lines = [INTRODUCTION, *_count(cases, services)]
    for service in services:
        lines += ["", f"## {service}", "", "| claim | outcome | page of AWS | cases |"]
        lines += ["| --- | --- | --- | --- |"]
        counted = Counter(case for case in cases if case.service == service)
        for case, number in sorted(counted.items(), key=lambda c: (c[0].page, c[0].claim)):
            outcome = f"{case.outcome}: {case.difference}" if case.difference else case.outcome
            lines.append(f"| {case.claim} | {outcome} | {case.page} | {number} |")
    return "\n".join(lines) + "\n"


def _count(cases: list[Case], services: list[str]) -> list[str]:
    meanings = [f"- **{name}**: {meaning}" for name, meaning in OUTCOMES.items()]
    head = f"| service | {' | '.join(OUTCOMES)} | all |"
    rows = []
    for service in [*services, None]:
        own = [case for case in cases if service in (None, case.service)]
        outcomes = Counter(case.outcome for case in own)
        numbers = " | ".join(str(outcomes[name]) for name in OUTCOMES)
        rows.append(f"| {service or '**all**'} | {numbers} | {len(own)} |")
    return [*meanings, "", head, "| --- " * (len(OUTCOMES) + 2) + "|", *rows]


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    cases = collect_cases(run=not check)
    if cases is None:
        print("a case failed: the page is not written", file=sys.stderr)
        return 1
    text = make_page(cases)
    if check:
        stale = not PAGE.is_file() or PAGE.read_text() != text
        if stale:
            print(f"{PAGE} is stale; run: python docs/conformance.py", file=sys.stderr)
        return int(stale)
    PAGE.write_text(text)
    print(f"wrote {PAGE}: {len(cases)} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
