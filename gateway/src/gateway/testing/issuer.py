"""A stand-in for the token issuer: signs access tokens, and publishes its keys over HTTP."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

ISSUER: Final = "https://issuer.example.test"
AUDIENCE: Final = "neoforge"


class StandInIssuer:
    """Has one current key and keeps publishing earlier ones; `away` makes it answer 503, `asked` counts requests."""

    def __init__(self) -> None:
        self.keys: dict[str, Ed25519PrivateKey] = {}
        self.current = ""
        self.away = False
        self.asked = 0
        self.rotate("key-1")
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                body = json.dumps(issuer.document()).encode()
                self.send_response(503 if issuer.away else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Requests are counted, not logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def rotate(self, key_id: str) -> None:
        """Sign with a new key from now on."""
        self.keys[key_id] = Ed25519PrivateKey.generate()
        self.current = key_id

    def document(self) -> dict[str, Any]:
        """Give the published keys (RFC 7517)."""
        return {
            "keys": [
                OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "use": "sig", "alg": "EdDSA"}
                for key_id, key in self.keys.items()
            ]
        }

    def token(self, subject: UUID | str, *, key_id: str | None = None, **claims: Any) -> str:
        """Sign an access token that is good for an hour; `claims` are set over the usual ones, None leaves one out."""
        now = int(time.time())
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(subject),
            "sid": "session-1",
            "roles": ["user"],
            "iat": now,
            "exp": now + 3600,
        }
        payload = {name: value for name, value in (payload | claims).items() if value is not None}
        key_id = key_id or self.current
        return jwt.encode(payload, self.keys[key_id], algorithm="EdDSA", headers={"kid": key_id})

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
