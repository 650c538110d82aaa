"""A connection of HTTP/2 that sends whatever it is told, be it allowed or not."""

import socket
import ssl
from pathlib import Path
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from tests.edge.clients import PATIENCE_S, Answer, Fields, Refused


class Streams:
    """One connection, over TLS if there is an authority to trust."""

    def __init__(self, port: int, authority: Path | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        if authority is not None:
            trust = ssl.create_default_context(cafile=authority)
            trust.set_alpn_protocols(["h2"])
            self._socket = trust.wrap_socket(self._socket, server_hostname="localhost")
        configuration = H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
        self._http = H2Connection(configuration)
        self._http.initiate_connection()
        self._answers: dict[int, Answer] = {}
        self._ended: set[int] = set()
        self._refused: dict[int, str] = {}
        self._closed = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, fields: Fields, body: bytes = b"", *, ended: bool = True) -> int:
        """Send these fields and a body as they are, and give the stream; of a closed connection, `answer` tells."""
        stream = self._http.get_next_available_stream_id()
        self._answers[stream] = Answer("HTTP/2")
        self._http.send_headers(stream, list(fields), end_stream=ended and not body)
        if body:
            self._http.send_data(stream, body, end_stream=ended)
        self._flush()
        return stream

    def answer(self, stream: int) -> Answer:
        """Give the answer of a stream; raises Refused if stream or connection end before it is whole."""
        while not (stream in self._ended or stream in self._refused or self._closed):
            self._receive()
        if stream not in self._ended:
            raise Refused(self._refused.get(stream, self._closed))
        return self._answers[stream]

    def _flush(self) -> None:
        try:
            self._socket.sendall(self._http.data_to_send())
        except OSError as fault:
            self._closed = str(fault)

    def _receive(self) -> None:
        try:
            received = self._socket.recv(65_536)
        except ConnectionError as fault:
            received, self._closed = b"", str(fault)
        events = self._http.receive_data(received) if received else []
        self._closed = self._closed or ("" if received else "closed")
        for event in events:
            self._take(event)
        self._flush()

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                answer = self._answers[event.stream_id]
                fields = [(name.decode(), value.decode()) for name, value in event.headers]
                answer.status = int(dict(fields)[":status"])
                answer.fields = [field for field in fields if not field[0].startswith(":")]
            case InformationalResponseReceived():
                pass
            case DataReceived():
                self._answers[event.stream_id].body += event.data
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self._ended.add(event.stream_id)
            case StreamReset():
                self._refused[event.stream_id] = f"reset: {event.error_code}"
            case ConnectionTerminated():
                self._closed = f"closed: {event.error_code}"
