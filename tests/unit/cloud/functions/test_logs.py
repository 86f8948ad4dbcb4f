"""Bytes to lines, without processes."""

import asyncio
import os

from fairway.cloud.functions.logs import MAX_EVENT, LogPipe, LogStream


def collect(scenario):
    """Run a scenario on a stream in a loop; returns each batch of texts that was written."""
    batches = []

    async def play():
        stream = LogStream(
            "g", "s", lambda g, s, lines: batches.append((g, s, lines)), lambda: 12.5
        )
        scenario(stream)
        stream.close()

    asyncio.run(play())
    return batches


def test_lines_are_timed_and_batched():
    def scenario(stream):
        stream.feed(b"a\nb\n")

    assert collect(scenario) == [("g", "s", [(12500, "a"), (12500, "b")])]


def test_a_line_in_pieces_is_one_line():
    def scenario(stream):
        stream.feed(b"caf\xc3")
        stream.feed(b"\xa9 ")
        stream.feed(b"noir\nx")

    ((_, _, lines),) = collect(scenario)
    assert [text for _, text in lines] == ["café noir", "x"]


def test_a_platform_line_ends_a_partial_one():
    def scenario(stream):
        stream.feed(b"partial")
        stream.write_line("END")

    ((_, _, lines),) = collect(scenario)
    assert [text for _, text in lines] == ["partial", "END"]


def test_carriage_returns_separate_the_lines_of_one_event():
    def scenario(stream):
        stream.feed(b"[ERROR] E\rTraceback\r\xc2\xa0x\r\nnext\r\n")

    ((_, _, lines),) = collect(scenario)
    assert [text for _, text in lines] == ["[ERROR] E\nTraceback\n\xa0x", "next"]


def test_an_endless_line_is_cut_at_the_size_of_an_event():
    def scenario(stream):
        for _ in range(5):
            stream.feed(b"z" * (MAX_EVENT // 2))
        stream.feed(b"\n")

    ((_, _, lines),) = collect(scenario)
    assert [len(text) for _, text in lines] == [MAX_EVENT, MAX_EVENT, MAX_EVENT // 2]


def test_many_lines_are_handed_on_before_the_end():
    def scenario(stream):
        stream.feed(b"x\n" * 2500)

    assert [len(lines) for _, _, lines in collect(scenario)] == [1000, 1000, 500]


def test_drain_takes_what_is_in_the_pipe_and_does_not_wait_for_its_end():
    texts = []

    async def play():
        stream = LogStream("g", "s", lambda g, s, lines: texts.extend(lines), lambda: 0)
        pipe = LogPipe(stream)
        os.write(pipe.writing, b"before\n")
        pipe.drain()
        stream.write_line("END")
        pipe.close()
        pipe.close()
        stream.close()

    asyncio.run(play())
    assert [text for _, text in texts] == ["before", "END"]


def test_a_log_that_cannot_be_stored_is_reported_and_hurts_nobody():
    reports = []

    def refuse(group, stream, lines):
        raise OSError("disk full")

    async def play():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, report: reports.append(str(report["exception"])))
        stream = LogStream("g", "s", refuse, lambda: 0)
        stream.write_line("x")
        stream.close()

    asyncio.run(play())
    assert reports == ["disk full"]
