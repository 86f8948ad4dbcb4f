"""The Runtime API's wire, with a recording fake in the worker's place."""

import asyncio

import pytest

from fairway.cloud.functions.api import MAX_RESPONSE, RuntimeApi, accept, render

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n"


class RecordingRuntime:
    def __init__(self):
        self.calls = []

    def take_next(self, reply):
        self.calls.append("next")
        reply(render(200, b"X: y\r\n", b"{}"))

    def take_result(self, request_id, body, size, error):
        self.calls.append((request_id, body, size, error))
        return accept()

    def take_init_error(self, body):
        self.calls.append(("init", body))
        return accept()


def talk(*requests, host=None):
    """Send requests over one connection; returns (the runtime's calls, all that came back)."""
    runtime = RecordingRuntime()

    async def play():
        api = RuntimeApi(runtime)
        address = await api.open()
        name, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        line = b"Host: %s\r\n" % (host or address).encode()
        for request in requests:
            writer.write(request.replace(b"HOST\r\n", line))
        writer.write_eof()
        try:
            answer = await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            answer = b"reset"
        writer.close()
        api.close()
        return answer

    return runtime.calls, asyncio.run(play())


def post(path, body, extra=b""):
    head = b"POST /2018-06-01/runtime/%s HTTP/1.1\r\nHOST\r\n%sContent-Length: %d\r\n\r\n%s"
    return head % (path, extra, len(body), body)


def test_next_response_and_errors_over_one_connection():
    calls, answer = talk(
        NEXT + b"HOST\r\n\r\n",
        post(b"invocation/id-1/response", b"1"),
        post(b"invocation/id-2/error", b"{}"),
        post(b"init/error", b"{}"),
    )
    assert calls == ["next", ("id-1", b"1", 1, False), ("id-2", b"{}", 2, True), ("init", b"{}")]
    assert answer.startswith(b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\n{}")
    assert answer.count(b"HTTP/1.1 202 Accepted\r\n") == 3


def test_a_chunked_body_is_put_together():
    head = b"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHOST\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    assert talk(head + chunked)[0] == [("a", b"abc", 3, False)]


def test_a_body_beyond_the_limit_is_counted_and_not_kept():
    calls, _ = talk(post(b"invocation/a/response", b"x" * (MAX_RESPONSE + 5)))
    assert calls == [("a", b"", MAX_RESPONSE + 5, False)]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET / HTTP/1.1\r\n", b"404"),
        (b"DELETE /2018-06-01/runtime/invocation/next HTTP/1.1\r\n", b"404"),
        (b"GET /2018-06-01/runtime/invocation/next/more HTTP/1.1\r\n", b"404"),
    ],
)
def test_unknown_operations_are_not_found(request_line, status):
    calls, answer = talk(request_line + b"HOST\r\n\r\n")
    assert calls == []
    assert answer.startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("post_path", [b"x", b"invocation/a/b/response", b"invocation/a/other"])
def test_unknown_posts_are_not_found(post_path):
    calls, answer = talk(post(post_path, b""))
    assert calls == []
    assert answer.startswith(b"HTTP/1.1 404")


def test_a_foreign_host_is_refused():
    calls, answer = talk(NEXT + b"HOST\r\n\r\n", host="evil.example")
    assert calls == []
    assert answer.startswith(b"HTTP/1.1 403")


def test_a_web_page_is_refused():
    calls, answer = talk(NEXT + b"HOST\r\nOrigin: http://evil.example\r\n\r\n")
    assert calls == []
    assert answer.startswith(b"HTTP/1.1 403")


def test_what_is_not_http_ends_the_connection():
    calls, answer = talk(b"\x00\x01\x02 nonsense\r\n\r\n")
    assert calls == []
    assert answer in (b"reset", b"")  # whichever the closed connection looks like from here
