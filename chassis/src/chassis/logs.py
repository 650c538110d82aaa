"""One JSON line per event on stdout, each with the request id, trace id and span id it belongs to, and no secrets."""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType

from opentelemetry import trace

from chassis.redaction import redact, redact_value

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
        span = trace.get_current_span().get_span_context()
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "request_id": request_id.get(),
            "trace_id": f"{span.trace_id:032x}" if span.is_valid else "",
            "span_id": f"{span.span_id:016x}" if span.is_valid else "",
        }
        for key, value in record.__dict__.items():
            if key not in _PLAIN and key not in line:
                line[key] = redact_value(value, key)
        if record.exc_info:
            line["exception"] = redact("".join(traceback.format_exception(*record.exc_info)))
        if record.stack_info:
            line["stack"] = redact(record.stack_info)
        # ASCII alone: whatever a message holds, the line stays one line and can be written to any stdout.
        return json.dumps(line, default=str)


def setup(service: str, level: str = "INFO") -> None:
    """Send every log record, warning and uncaught exception of this process to stdout as JSON lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace_back: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("chassis").critical("the process ends by an error", exc_info=(kind, error, trace_back))
