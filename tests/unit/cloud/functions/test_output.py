"""What handlers write, and the lines that Lambda adds."""

import json
import re

import pytest

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:fn"


def invoke_twice(trial, source):
    async def scenario(functions):
        await functions.put(trial.build(source))
        return await functions.invoke(ARN, b"1"), await functions.invoke(ARN, b"2")

    return trial.run(scenario)


def test_lines_are_lambdas_and_in_order(trial):
    first, second = invoke_twice(
        trial,
        """
        import logging, sys
        print("loading")
        def handler(event, context):
            print("out", event)
            print("err", event, file=sys.stderr)
            logging.getLogger().warning("careful")
        """,
    )
    a, b = first.request_id, second.request_id
    report = r"REPORT RequestId: {}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\t"
    report += r"Memory Size: 128 MB\tMax Memory Used: [1-9]\d* MB\t"
    stamp = r"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z"
    patterns = [
        r"INIT_START Runtime Version: python:3\.\d+\.local\tRuntime Version ARN: arn:aws:lambda:"
        r"eu-west-1::runtime:local",
        "loading",
        rf"START RequestId: {a} Version: \$LATEST",
        "out 1",
        "err 1",
        rf"\[WARNING\]\t{stamp.format()}\t{a}\tcareful",
        f"END RequestId: {a}",
        report.format(a) + r"Init Duration: \d+\.\d\d ms\t",
        rf"START RequestId: {b} Version: \$LATEST",
        "out 2",
        "err 2",
        rf"\[WARNING\]\t{stamp.format()}\t{b}\tcareful",
        f"END RequestId: {b}",
        report.format(b),
    ]
    assert len(trial.texts) == len(patterns)
    for text, pattern in zip(trial.texts, patterns, strict=True):
        assert re.fullmatch(pattern, text), (text, pattern)
    groups = {(group, stream) for group, stream, _, _ in trial.records}
    ((group, stream),) = groups
    assert group == "/aws/lambda/fn"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)


def test_the_tail_is_the_end_of_this_invocations_log(trial):
    first, second = invoke_twice(
        trial, "def handler(event, context): print('x' * (5000 if event == 1 else 3))"
    )
    assert len(first.log_tail) == 4096
    assert first.log_tail.rstrip().rpartition(b"\n")[2].startswith(b"REPORT RequestId: ")
    assert second.log_tail.startswith(f"START RequestId: {second.request_id}".encode())
    assert b"\nxxx\nEND " in second.log_tail


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("pass", []),
        ("sys.stdout.write('no end')", ["no end"]),
        (r"sys.stdout.buffer.write(bytes(range(0, 256))); sys.stdout.flush()", None),
        ("os.write(2, b'\\xff\\xfe\\n')", ["\ufffd\ufffd"]),
        ("print('a\\n\\nb')", ["a", "", "b"]),
        ("sys.stdout.close()", []),
        ("os.close(1); os.close(2)", []),
    ],
)
def test_any_output_leaves_the_next_request_working(trial, statement, expected):
    first, second = invoke_twice(
        trial,
        f"""
        import os, sys
        def handler(event, context):
            if event == 1:
                {statement}
            return event
        """,
    )
    assert (first.payload, second.payload) == (b"1", b"2")
    start = trial.texts.index(f"START RequestId: {first.request_id} Version: $LATEST")
    end = trial.texts.index(f"END RequestId: {first.request_id}")
    if expected is not None:
        assert trial.texts[start + 1 : end] == expected


def test_a_megabyte_arrives_whole_before_the_end(trial):
    first, _ = invoke_twice(
        trial,
        """
        def handler(event, context):
            if event == 1:
                for number in range(16384):
                    print(f"{number:063d}")
                print("y" * 1_500_000)
        """,
    )
    start = trial.texts.index(f"START RequestId: {first.request_id} Version: $LATEST")
    end = trial.texts.index(f"END RequestId: {first.request_id}")
    lines = trial.texts[start + 1 : end]
    assert lines[:16384] == [f"{number:063d}" for number in range(16384)]
    assert [len(line) for line in lines[16384:]] == [1_000_000, 500_000]


def test_a_child_that_holds_the_pipe_does_not_hold_the_answer(trial, alive):
    first, second = invoke_twice(
        trial,
        """
        import subprocess
        def handler(event, context):
            return subprocess.Popen(["sleep", "600"], start_new_session=event == 2).pid
        """,
    )
    pids = [json.loads(outcome.payload) for outcome in (first, second)]
    assert not any(alive(pid) for pid in pids)  # gone with the runtime, also from its own session
