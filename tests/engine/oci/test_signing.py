"""Signatures: made, checked, and refused in all the ways in which they can be wrong."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from engine.errors import EngineError, InvalidArgument
from engine.oci import signing
from engine.oci.digest import Digest
from engine.oci.document import InvalidDocument

DIGEST = Digest(f"sha256:{'a' * 64}")


def test_what_is_signed_is_verified_by_its_key_alone() -> None:
    (private, public), (_, other) = signing.new_key(), signing.new_key()
    data = signing.payload("registry.example/app", DIGEST)
    signature = signing.sign(data, private)
    assert signing.signed_digest(data) == DIGEST
    assert signing.verify(data, signature, [other, public]) == signing.key_id(public)
    assert signing.verify(data, signature, [other]) is None
    assert signing.verify(data + b" ", signature, [public]) is None
    assert signing.verify(data, signature[:-8], [public]) is None
    assert signing.verify(data, "no base64!", [public]) is None
    assert signing.public_of(private) == public


def test_the_payload_is_cosigns() -> None:
    document = json.loads(signing.payload("registry.example/app", DIGEST))
    assert document == {
        "critical": {
            "identity": {"docker-reference": "registry.example/app"},
            "image": {"docker-manifest-digest": DIGEST},
            "type": "cosign container image signature",
        },
        "optional": None,
    }


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_says_so_too(tmp_path: Path) -> None:
    private, public = signing.new_key()
    data = signing.payload("app", DIGEST)
    (tmp_path / "key").write_text(public)
    (tmp_path / "data").write_bytes(data)
    (tmp_path / "signature").write_bytes(base64.b64decode(signing.sign(data, private)))
    command = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature", "data"]
    assert subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout == b"Verified OK\n"


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"critical": {}}', b'{"critical": {"type": "atomic container signature", "image": {}}}',
     b'{"critical": {"type": "cosign container image signature", "image": {"docker-manifest-digest": "sha256:x"}}}',
     b" " * (signing.PAYLOAD_BYTES + 1)],
)  # fmt: skip
def test_a_payload_that_is_none(data: bytes) -> None:
    with pytest.raises((InvalidDocument, EngineError)):
        signing.signed_digest(data)


def test_a_key_that_is_none() -> None:
    for pem in ("", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(InvalidArgument):
            signing.key_id(pem)
        with pytest.raises(InvalidArgument):
            signing.sign(b"", pem)
    rsa = subprocess.run(["openssl", "genrsa", "1024"], check=True, capture_output=True, text=True).stdout
    with pytest.raises(InvalidArgument, match="P-256"):
        signing.public_of(rsa)


def test_a_key_of_any_size_is_no_work() -> None:
    """Primes of Mersenne's are the longest that whoever wants a check to take minutes could send."""
    for prime, words in (((1 << 1279) - 1, "is ECDSA on P-256"), ((1 << 11213) - 1, "less than 1 KiB")):
        sides = rsa.RSAPrivateNumbers(prime, 3, 3, 1, 1, 1, rsa.RSAPublicNumbers(3, prime * 3))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL)
        pem = sides.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(*form, serialization.NoEncryption())
        began = time.thread_time()
        with pytest.raises(InvalidArgument, match=words):
            signing.public_of(pem.decode())
        assert time.thread_time() - began < 0.5
    with pytest.raises(InvalidArgument, match="less than 1 KiB"):
        signing.key_id("x" * 1025)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_a_key_on_a_curve_that_nobody_knows() -> None:
    make = ["openssl", "ecparam", "-name", "secp160r1", "-genkey", "-noout"]
    private = subprocess.run(make, check=True, capture_output=True).stdout
    public = subprocess.run(["openssl", "ec", "-pubout"], input=private, check=True, capture_output=True).stdout
    with pytest.raises(InvalidArgument, match="private key"):
        signing.public_of(private.decode())
    with pytest.raises(InvalidArgument, match="public key"):
        signing.key_id(public.decode())
