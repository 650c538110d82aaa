import json
import logging
import subprocess
import sys
from typing import Any

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
