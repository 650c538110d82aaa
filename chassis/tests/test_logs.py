import json
import logging
import math
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from chassis import logs

FORMATTER = logs.JsonFormatter("test")


def line(message: str, *args: Any, level: int = logging.INFO, **rest: Any) -> dict[str, Any]:
    record = logging.getLogger("some.part").makeRecord("some.part", level, __file__, 1, message, args, None, **rest)
    written = FORMATTER.format(record)
    assert len(written.splitlines()) == 1
    parsed: dict[str, Any] = json.loads(written)
    return parsed


def test_a_line_says_when_where_and_what() -> None:
    said = line("%s of %d", "two", 3, level=logging.WARNING)
    assert (said["level"], said["service"], said["logger"], said["message"]) == (
        "warning",
        "test",
        "some.part",
        "two of 3",
    )
    assert said["time"].endswith("+00:00")
    assert (said["request_id"], said["trace_id"], said["span_id"]) == ("", "", "")


def test_whatever_a_message_holds_it_is_one_line_of_json() -> None:
    for odd in ("a\nb\r\nc", "\u2028\u2029\x85\x0b", "\udcff lone", 'quotes " and \\', "مرحبا 🚀", "\x00"):
        assert line("%s", odd)["message"] == odd


def test_a_line_carries_the_ids_of_its_request_and_span() -> None:
    token = logs.request_id.set("the-request")
    try:
        with TracerProvider().get_tracer("test").start_as_current_span("work"):
            context = trace.get_current_span().get_span_context()
            said = line("working")
    finally:
        logs.request_id.reset(token)
    assert said["request_id"] == "the-request"
    assert (said["trace_id"], said["span_id"]) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")


def test_extras_are_fields_of_their_own_and_take_no_other_ones_place() -> None:
    said = line("paid", extra={"amount": 7, "level": "fake", "odd": object()})
    assert (said["amount"], said["level"]) == (7, "info")
    assert said["odd"].startswith("<object")


def test_warnings_and_what_ends_the_process_are_lines_too() -> None:
    program = """
import warnings
from chassis import logs
logs.setup("test", "INFO")
warnings.warn("old", DeprecationWarning, stacklevel=1)
raise RuntimeError("the end\\nof it")
"""
    ended = subprocess.run([sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=False)
    said = [json.loads(line) for line in ended.stdout.splitlines()]
    assert "DeprecationWarning: old" in said[0]["message"]
    assert (said[-1]["level"], "RuntimeError: the end" in said[-1]["exception"]) == ("critical", True)
    assert ended.returncode == 1


PROGRAM = """
import asyncio, gc, json, logging, sys, threading, warnings
from chassis import logs
logs.setup("test", "INFO")
log = logging.getLogger("part")

class Odd:
    def __del__(self):
        raise ValueError("password=hunter2-in-a-finalizer")
    def __str__(self):
        raise TypeError("no text")
    __repr__ = __str__

def fail(what):
    raise ValueError(f"password=hunter2-in-{what}")

def stepping():
    try:
        yield
    finally:
        fail("a-generator")

async def forgetting():
    async def failing():
        fail("a-task")
    asyncio.create_task(failing())
    asyncio.get_running_loop().call_soon(fail, "a-callback")
    await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)

odd = Odd()
log.info("%d", "password=hunter2-in-arguments")
log.info("%s %s", {"password": "hunter2-in-a-dict"})
log.info("an odd one: %s", odd)
log.info("extras", extra={"odd": odd, "text": "password=hunter2-in-extra", "endless": 10 ** 5000})
warnings.warn("password=hunter2-in-a-warning", stacklevel=1)
thread = threading.Thread(target=fail, args=("a-thread",), name="worker-7")
thread.start()
thread.join()
del odd
for step in stepping():
    break
del step
gc.collect()
asyncio.run(forgetting())
fail("the-end")
"""


def test_whatever_goes_wrong_in_a_process_is_a_line_of_json_without_secrets() -> None:
    ended = subprocess.run([sys.executable, "-W", "always", "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "")
    said = [json.loads(line) for line in ended.stdout.splitlines()]
    assert "hunter2" not in ended.stdout
    assert {each["service"] for each in said} == {"test"}
    messages = [each["message"] for each in said]
    assert messages[0] == "a bad logging call (TypeError): %d ['password=[redacted]"
    assert "an odd one: %s a tuple that cannot be written" in messages[2]
    assert "a Odd that cannot be written" in said[3]["odd"]
    assert "cannot be written" in said[3]["endless"]
    told = "\n".join(messages) + "\n".join(each.get("exception", "") for each in said)
    for part in ("UserWarning", "a thread has ended by an error", "Task exception was never retrieved", "in fail"):
        assert part in told
    assert [each["thread_name"] for each in said if "thread_name" in each] == ["worker-7"]
    finalized = [each for each in said if "Odd.__del__" in str(each.get("raised_in"))]
    assert len(finalized) == 1
    assert messages[-1] == "the process ends by an error"


def test_a_line_that_finds_its_stream_closed_is_lost_without_showing_what_it_held() -> None:
    program = """
import logging, sys
from chassis import logs
logs.setup("test", "INFO", open("/dev/full", "w"))
logging.getLogger("part").info("password %s", "hunter2")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    first = json.loads(ended.stderr.splitlines()[0])
    assert (first["service"], first["level"]) == ("test", "error")
    assert first["message"] == "a line of part could not be written: OSError"
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**40])
def test_a_number_that_json_does_not_have_is_text(value: float) -> None:
    assert line("measured", extra={"value": value, "all": [value]})["value"] == str(value)


@pytest.mark.parametrize("value", [0, 1.5, -(2**53), 2**60, True, None])
def test_other_numbers_are_numbers(value: float | None) -> None:
    assert line("measured", extra={"value": value})["value"] == value
