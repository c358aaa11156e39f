"""A token server for a registry with bearer authentication (distribution's "token authentication" specification).

Signs RS256 JSON web tokens whose header carries the certificate (`x5c`), as docker-registry 2.8 can check.
Counts what it was asked, so that tests can say "one token per pull".
"""

from __future__ import annotations

import base64
import datetime
import json
import secrets
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID


class TokenServer:
    """Anonymous users may pull from `public/…`; those of `users` may pull and push everything."""

    issuer = "portside-tests"

    def __init__(self, directory: Path, *, service: str, users: Mapping[str, str], lifetime_seconds: int = 300) -> None:
        self.service = service
        self.users = dict(users)
        self.lifetime_seconds = lifetime_seconds
        self.requests: list[str] = []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._certificate = _self_signed(self._key)
        self.certificate_file = directory / "token.pem"
        self.certificate_file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.realm = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        threading.Thread(target=self._server.serve_forever, name="token-server", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, user: str | None, scopes: list[str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": user or "",
            "aud": self.service,
            "exp": now + self.lifetime_seconds,
            "nbf": now - 5,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": [entry for scope in scopes if (entry := _access(user, scope))],
        }
        certificate = base64.b64encode(self._certificate.public_bytes(serialization.Encoding.DER)).decode()
        signed = _encode({"typ": "JWT", "alg": "RS256", "x5c": [certificate]}) + "." + _encode(claims)
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return signed + "." + base64.urlsafe_b64encode(signature).decode().rstrip("=")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: object) -> None:
                pass

            def do_GET(self) -> None:
                server.requests.append(self.path)
                user, is_known = server._user(self.headers.get("Authorization", ""))
                if not is_known:
                    self._answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]})
                    return
                scopes = [
                    part for scope in parse_qs(urlsplit(self.path).query).get("scope", []) for part in scope.split()
                ]
                token = server.token(user, scopes)
                self._answer(200, {"token": token, "expires_in": server.lifetime_seconds})

            def _answer(self, status: int, document: object) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def _user(self, authorization: str) -> tuple[str | None, bool]:
        if not authorization:
            return None, True
        scheme, _, encoded = authorization.partition(" ")
        try:
            name, _, password = base64.b64decode(encoded).decode().partition(":")
        except ValueError:
            return None, False
        return name, scheme.lower() == "basic" and self.users.get(name) == password


def _access(user: str | None, scope: str) -> dict[str, object] | None:
    kind, name, actions = scope.split(":", 1)[0], scope.split(":", 1)[1].rpartition(":")[0], scope.rpartition(":")[2]
    allowed = set(actions.split(","))
    if user is None:
        allowed &= {"pull"} if name.startswith("public/") else set()
    return {"type": kind, "name": name, "actions": sorted(allowed)} if allowed else None


def _encode(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _self_signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "portside-tests")])
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
