"""A handler that does what the query asks for; its text is what the fault tests deploy."""

import json
import os
import signal
import sys
import time


def handler(event, context):
    fault = (event.get("queryStringParameters") or {}).get("fault", "none")
    return FAULTS[fault](event)


def raise_error(event):
    raise ValueError("as asked")


def run_past_timeout(event):
    time.sleep(60)


def print_megabyte(event):
    print("x" * 1_048_576)  # noqa: T201
    return answer("printed")


def answer(text):
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": text}


FAULTS = {
    "none": lambda event: answer(f"fine {os.getpid()}"),
    "raise": raise_error,
    "megabyte": print_megabyte,
    "list": lambda event: [1, 2],
    "string": lambda event: "text",
    "nothing": lambda event: None,
    "no-status": lambda event: {"body": "text"},
    "bad-status": lambda event: {"statusCode": "abc", "body": "text"},
    "no-json": lambda event: {"statusCode": 200, "body": {1, 2}},
    "large": lambda event: answer("x" * 2 * 1_048_576),
    "larger": lambda event: answer("x" * 7 * 1_048_576),
    "exit": lambda event: sys.exit(3),
    "exit-well": lambda event: sys.exit(0),
    "kill": lambda event: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda event: os.kill(os.getpid(), signal.SIGSEGV),
    "timeout": run_past_timeout,
    "echo": lambda event: answer(json.dumps(event)),
}
