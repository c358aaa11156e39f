"""An authenticator without hardware: makes passkeys and shows them, honestly or not (WebAuthn 2, sections 5.1, 6)."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256
from fido2.utils import websafe_encode

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class SoftPasskey:
    """One credential. `count` is its signature counter, `handle` what it says of its holder."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = os.urandom(16)
        self.count = 0
        self.handle = ""

    def create(self, options: dict[str, Any], origin: str, *, rp_id: str | None = None) -> dict[str, Any]:
        """What a browser at `origin` would send back for the options of a registration."""
        public = options["publicKey"]
        self.handle = public["user"]["id"]
        cose = cbor.encode(dict(ES256.from_cryptography_key(self._key.public_key())))
        held = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cose
        data = self._data(rp_id or public["rp"]["id"], PRESENT | VERIFIED | ATTESTED) + held
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        client = _client("webauthn.create", public["challenge"], origin)
        response = {"clientDataJSON": websafe_encode(client), "attestationObject": websafe_encode(attestation)}
        return self._outline(response)

    def show(
        self, options: dict[str, Any], origin: str, *, rp_id: str | None = None, flags: int = PRESENT | VERIFIED
    ) -> dict[str, Any]:
        """The same for the options of a sign-in."""
        public = options["publicKey"]
        self.count += 1
        data = self._data(rp_id or public["rpId"], flags)
        client = _client("webauthn.get", public["challenge"], origin)
        signature = self._key.sign(data + sha256(client).digest(), ec.ECDSA(SHA256()))
        response = {
            "clientDataJSON": websafe_encode(client),
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(signature),
            "userHandle": self.handle,
        }
        return self._outline(response)

    def _data(self, rp_id: str, flags: int) -> bytes:
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _outline(self, response: dict[str, str]) -> dict[str, Any]:
        text = websafe_encode(self.credential_id)
        return {"id": text, "rawId": text, "type": "public-key", "response": response}


def _client(kind: str, challenge: str, origin: str) -> bytes:
    return json.dumps({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}).encode()
