"""Signatures of images as cosign makes and checks them (github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md).

A payload names the digest of a manifest; its signature is ECDSA on P-256 over SHA-256, in base64, beside it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from engine.errors import InvalidArgument
from engine.oci.digest import Digest
from engine.oci.document import InvalidDocument, load, required

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
ARTIFACT_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
KIND = "cosign container image signature"
PAYLOAD_BYTES = 64 << 10
KEY_BYTES = 1 << 10
"""Of a key in PEM; P-256 has 241 bytes."""


def tag_of(digest: Digest) -> str:
    """The tag under which cosign looks for the signatures of a manifest."""
    return f"{digest.algorithm}-{digest.hex}.sig"


def payload(name: str, digest: Digest) -> bytes:
    """What is signed for a manifest that is known as `name` (without tag)."""
    critical = {
        "identity": {"docker-reference": name},
        "image": {"docker-manifest-digest": digest},
        "type": KIND,
    }
    return json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()


def signed_digest(data: bytes) -> Digest:
    """The digest that a payload is about. Raises `InvalidDocument`."""
    document = load(data, "signature's payload", PAYLOAD_BYTES)
    critical = required(document, "critical", dict, "payload")
    if critical.get("type") != KIND:
        raise InvalidDocument("the payload is no signature of an image")
    image = required(critical, "image", dict, "payload")
    return Digest.parse(required(image, "docker-manifest-digest", str, "payload"))


def new_key() -> tuple[str, str]:
    """A key pair: (private, public), both PEM (PKCS #8 without a password; SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), _public_pem(key.public_key())


def public_of(private_pem: str) -> str:
    """The public key of a private one. Raises `InvalidArgument` for what is no key on P-256, or has a password."""
    return _public_pem(_private(private_pem).public_key())


def key_id(public_pem: str) -> str:
    """SHA-256 of the key (DER), in hex: what a key is known by. Raises `InvalidArgument`."""
    from cryptography.hazmat.primitives import serialization

    der = _public(public_pem).public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def sign(data: bytes, private_pem: str) -> str:
    """The payload's signature, in base64. Raises `InvalidArgument` for a key that is none."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    return base64.b64encode(_private(private_pem).sign(data, ec.ECDSA(hashes.SHA256()))).decode()


def verify(data: bytes, signature: str, public_pems: Iterable[str]) -> str | None:
    """The id of the first key that has signed the payload, None if none has. Raises `InvalidArgument` for odd keys."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return None
    for pem in public_pems:
        try:
            _public(pem).verify(raw, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            continue
        return key_id(pem)
    return None


def _public_pem(key: EllipticCurvePublicKey) -> str:
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def _private(pem: str) -> EllipticCurvePrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    _check_length(pem, "private")
    try:  # RSA is refused below whatever its numbers are, so nothing checks them
        key: Any = serialization.load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidArgument("this is no private key in PEM without a password", {"field": "private_key"}) from error
    return _on_p256(key, "private")  # type: ignore[no-any-return]


def _public(pem: str) -> EllipticCurvePublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    _check_length(pem, "public")
    try:
        key: Any = serialization.load_pem_public_key(pem.encode())
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise InvalidArgument("this is no public key in PEM", {"field": "public_key"}) from error
    return _on_p256(key, "public")  # type: ignore[no-any-return]


def _check_length(pem: str, which: str) -> None:
    if len(pem) > KEY_BYTES:
        message = f"a {which} key for signatures is ECDSA on P-256, which needs less than {KEY_BYTES >> 10} KiB"
        raise InvalidArgument(message, {"field": f"{which}_key"})


def _on_p256(key: Any, which: str) -> Any:
    if getattr(getattr(key, "curve", None), "name", "") != "secp256r1":
        raise InvalidArgument(f"a {which} key for signatures is ECDSA on P-256", {"field": f"{which}_key"})
    return key
