"""An OpenID Connect provider that does as it is told: signs what it should, and what it should not.

For a real one, see `tests/webui/signin/test_openid.py`. This one is there for attacks: each test says what the next
ID token claims, who signs it, and how.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """`claims` and `userinfo` are what it says next; None in `claims` leaves one out. `refusal`: what it says instead
    when it is asked for a token. `forms` are what was posted."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.key: Any = KEY
        self.algorithm = "RS256"
        self.key_id = "one"
        self.metadata: dict[str, Any] = {}
        self.id_token: str | None = None
        self.refusal: dict[str, str] = {}
        self.forms: list[dict[str, str]] = []
        self.authorizations: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/.well-known/openid-configuration":
                    self._answer(provider.document())
                elif self.path == "/jwks":
                    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
                    self._answer({"keys": [{**public, "kid": "one", "use": "sig"}]})
                elif self.path == "/userinfo":
                    self._answer(provider.userinfo)
                else:
                    self.send_error(404)

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"])).decode()
                provider.forms.append({name: values[0] for name, values in parse_qs(content).items()})
                provider.authorizations.append(self.headers.get("Authorization", ""))
                if provider.refusal:
                    self._answer(provider.refusal, 400)
                else:
                    self._answer({"access_token": "at", "token_type": "Bearer", "id_token": provider.signed()})

            def _answer(self, body: dict[str, Any], status: int = 200) -> None:
                encoded = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "id_token_signing_alg_values_supported": ["RS256"],
            **self.metadata,
        }

    def signed(self) -> str:
        if self.id_token is not None:
            return self.id_token
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "portside",
            "sub": "u-1",
            "iat": now,
            "exp": now + 300,
            "preferred_username": "carol",
            "email": "carol@example.com",
            "groups": [],
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers={"kid": self.key_id})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
