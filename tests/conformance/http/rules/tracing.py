"""W3C Trace Context, and the ids that an answer carries."""

from tests.conformance.http.kit import PROJECTS, Visitor, expect, rule

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@rule("Trace Context, 3.2", "a trace that a visitor began goes on, and the answer names it")
def _(visitor: Visitor) -> None:
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    for path in (PROJECTS, "/no/such/path"):
        said = visitor.client.get(path, headers=headers).headers.get("x-trace-id")
        expect(said == TRACE, f"{path}: X-Trace-Id: {said}")


@rule("Trace Context, 3.2.2", "a traceparent that breaks its rules is ignored, and a new trace begins")
def _(visitor: Visitor) -> None:
    for broken in (
        f"00-{TRACE}-0000000000000000-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00F067AA0BA902B7-01",
        "nonsense",
    ):
        said = visitor.client.get(PROJECTS, headers={"traceparent": broken}).headers.get("x-trace-id", "")
        expect(len(said) == len(TRACE) and said != TRACE, f"{broken}: X-Trace-Id: {said}")


@rule("Trace Context, 3.2.2.1", "a traceparent of a later version is read as far as this one goes")
def _(visitor: Visitor) -> None:
    for later in (f"cc-{TRACE}-00f067aa0ba902b7-01", f"cc-{TRACE}-00f067aa0ba902b7-01-what-comes-later"):
        said = visitor.client.get(PROJECTS, headers={"traceparent": later}).headers.get("x-trace-id")
        expect(said == TRACE, f"{later}: X-Trace-Id: {said}")


@rule("RFC 9457, 3.1.5", "a problem names request and trace, as the headers do")
def _(visitor: Visitor) -> None:
    answer = visitor.client.get("/no/such/path", headers={"X-Request-Id": "conformance-1"})
    expect(answer.headers.get("x-request-id") == "conformance-1", "X-Request-Id does not come back")
    body = answer.json()
    expect(body.get("request_id") == "conformance-1", f"request_id: {body.get('request_id')}")
    expect(body.get("trace_id") == answer.headers.get("x-trace-id"), f"trace_id: {body.get('trace_id')}")


@rule("RFC 9110, 5.5", "a request id that would break logs is replaced")
def _(visitor: Visitor) -> None:
    for bad in ("a b\tc", "x" * 1_000, '"{}', "é"):
        said = visitor.client.get(PROJECTS, headers=[(b"X-Request-Id", bad.encode())]).headers.get("x-request-id", "")
        expect(said and said != bad and len(said) <= 128 and said.isascii(), f"{bad[:20]!r} gave {said[:40]!r}")
