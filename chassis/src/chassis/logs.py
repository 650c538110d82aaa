"""One JSON line per event on stdout, each with the request id, trace id and span id it belongs to, and no secrets.

Nothing that Python has to say goes another way: warnings, bad logging calls, what ends the process or a thread, and
what fails in a finalizer are lines as well.
"""

import contextlib
import json
import logging
import sys
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from opentelemetry import trace

from chassis.redaction import redact, redact_value

log = logging.getLogger("chassis")

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that the current task works for; empty outside of requests."""

_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object; what is given as `extra` becomes fields of their own."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Give time (RFC 3339, UTC), level, service, logger, message, ids, extras and the exception if there is one."""
        line = self._members(record, redact(_message(record)))
        for key, value in record.__dict__.items():
            if key not in _PLAIN and key not in line:
                line[key] = _value(value, key)
        if record.exc_info:
            line["exception"] = redact("".join(traceback.format_exception(*record.exc_info)))
        if record.stack_info:
            line["stack"] = redact(record.stack_info)
        return _written(line)

    def as_it_is(self, level: int, logger: str, message: str) -> str:
        """Give a line whose message is known to hold no secret, only names of some."""
        return _written(
            self._members(
                logging.makeLogRecord({"name": logger, "levelno": level, "levelname": logging.getLevelName(level)}),
                message,
            )
        )

    def _members(self, record: logging.LogRecord, message: str) -> dict[str, object]:
        span = trace.get_current_span().get_span_context()
        return {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": message,
            "request_id": request_id.get(),
            "trace_id": f"{span.trace_id:032x}" if span.is_valid else "",
            "span_id": f"{span.span_id:016x}" if span.is_valid else "",
        }


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines to a stream. Logging's own would write a record that it cannot write plainly to stderr."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say on stderr, in a line, that one is lost."""
        failure = sys.exc_info()[1]
        with contextlib.suppress(Exception):
            said = f"a line of {record.name} could not be written: {type(failure).__name__}"
            print(formatter().as_it_is(logging.ERROR, __name__, said), file=sys.stderr)  # noqa: T201 - the log is gone


_formatter = JsonFormatter("")


def formatter() -> JsonFormatter:
    """Give the form of this process's lines; before `setup` it has no service's name."""
    return _formatter


def setup(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log record, warning and uncaught exception of this process to a stream, stdout, as JSON lines."""
    global _formatter  # noqa: PLW0603 - a process has one log
    _formatter = JsonFormatter(service)
    handler = _Handler(stream or sys.stdout)
    handler.setFormatter(_formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_ended_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, trace_back: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        log.critical("the process ends by an error", exc_info=(kind, error, trace_back))


def _log_ended_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        name = ended.thread.name if ended.thread else ""
        log.error(
            "a thread has ended by an error",
            exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback),
            extra={"thread_name": name},
        )


def _log_unraisable(failed: "sys.UnraisableHookArgs") -> None:
    # At the end of the process, even logging may be gone; Python would tell of that plainly.
    with contextlib.suppress(Exception):
        error = failed.exc_value or failed.exc_type()
        log.error(
            failed.err_msg or "an error that nobody can handle",
            exc_info=(failed.exc_type, error, failed.exc_traceback),
            extra={"raised_in": failed.object},
        )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as bad:  # noqa: BLE001 - a bad logging call is a line like any
        return f"a bad logging call ({type(bad).__name__}): {_value(record.msg)} {_value(record.args)}"


def _value(value: Any, name: str = "") -> Any:
    try:
        return redact_value(value, name)
    except Exception as bad:  # noqa: BLE001 - whatever is given, the line is written
        return f"a {type(value).__name__} that cannot be written ({type(bad).__name__})"


def _written(line: dict[str, object]) -> str:
    # ASCII alone: whatever a message holds, the line stays one line and can be written to any stdout.
    return json.dumps(line, allow_nan=False)
