"""Private SSH keys as an agent needs them: read from text, named by their public half, asked for signatures.

Formats: OpenSSH's own (PROTOCOL.key), PKCS #1, PKCS #8 and SEC 1 in PEM. Public keys and signatures have the shapes of
RFC 4253 (6.6), RFC 5656, RFC 8332 and RFC 8709. All of the cryptography is the library's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.errors import InvalidArgument

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    Key = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey

RSA_SHA2_256, RSA_SHA2_512 = 2, 4
"""Flags of a request to sign (draft-ietf-sshm-ssh-agent, 3.6.1)."""
KEYS_MAXIMUM = 10
"""Of one build in all: to check an RSA key takes most of a second in which its process does nothing else."""
KEY_BYTES = 4 << 10
"""Of one key in PEM; RSA with 4096 bits has 3.4 KB."""
_RSA_BITS = (2048, 4096)
_RSA_EXPONENT_BITS = 64
_RSA_UNEVEN_BITS = 32
_BEGIN, _LABEL_BYTES = "-----BEGIN ", 40


def string(data: bytes) -> bytes:
    """`data` behind its length in four bytes (RFC 4251, 5)."""
    return len(data).to_bytes(4, "big") + data


@dataclass(frozen=True, slots=True)
class Identity:
    """`blob`: the public key as SSH writes it; `comment`: what people see of it. The private half is never shown."""

    blob: bytes
    comment: str
    _key: Key = field(repr=False)

    @property
    def public_key(self) -> str:
        """In one line, as for authorized_keys."""
        return f"{_kind(self.blob)} {base64.b64encode(self.blob).decode()} {self.comment}"

    @property
    def fingerprint(self) -> str:
        """SHA256:…, as ssh-keygen -l shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def sign(self, data: bytes, flags: int) -> bytes | None:
        """The signature of `data` as SSH writes it; None for RSA with SHA-1, which is what no flag stands for."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils

        key = self._key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return string(b"ssh-ed25519") + string(key.sign(data))
        if isinstance(key, ec.EllipticCurvePrivateKey):
            digest = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]
            pair = utils.decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
            return string(_kind(self.blob).encode()) + string(b"".join(string(_mpint(number)) for number in pair))
        if flags & RSA_SHA2_512:
            return string(b"rsa-sha2-512") + string(key.sign(data, padding.PKCS1v15(), hashes.SHA512()))
        if flags & RSA_SHA2_256:
            return string(b"rsa-sha2-256") + string(key.sign(data, padding.PKCS1v15(), hashes.SHA256()))
        return None


def read(text: str, name: str, *, is_checked: bool = False) -> tuple[Identity, ...]:
    """The private keys in `text`, one behind the other, as `name` (the comment of each).

    `is_checked`: it has been read before without this, so numbers of RSA are taken as they are. Raises
    `InvalidArgument` for a text without a key, for too many, a key with a passphrase, and kinds that an agent here
    can't sign with. No part of a key is in the message.
    """
    found = blocks(text, name)
    if len(found) > KEYS_MAXIMUM:
        raise InvalidArgument(f"{name[:60]} has more than {KEYS_MAXIMUM} SSH keys: give those that are needed")
    return unique(_identity(one, name, is_checked) for one in found)


def blocks(text: str, name: str) -> list[str]:
    """What stands from BEGIN to END of each private key, unread: how many there are is seen at little cost.

    Raises `InvalidArgument` for a text without one, and for one that is too long or has no end.
    """
    text = text.replace("\r\n", "\n")
    found, at = [], 0
    while (begin := text.find(_BEGIN, at)) >= 0:
        at = begin + len(_BEGIN)
        label = text[at : at + _LABEL_BYTES].partition("-----")[0]
        if not label.endswith("PRIVATE KEY"):
            continue
        last = f"-----END {label}-----"
        end = text.find(last, at)
        if end < 0:  # nor is there one for those behind it, so nothing looks for the end of each of thousands
            break
        at = end + len(last)
        if at - begin > KEY_BYTES:
            raise InvalidArgument(
                f"the SSH key {name[:60]} is longer than {KEY_BYTES >> 10} KiB: give one of Ed25519, of ECDSA, "
                f"or of RSA with at most {_RSA_BITS[1]} bits"
            )
        found.append(text[begin:at])
    if begin >= 0 or not found:
        raise InvalidArgument(
            f"the SSH key {name[:60]} is no private key: give the whole file, from -----BEGIN to its last line"
        )
    return found


def unique(identities: Iterable[Identity]) -> tuple[Identity, ...]:
    """Each key once, in their order."""
    return tuple({identity.blob: identity for identity in identities}.values())


def new_key() -> str:
    """A private key (Ed25519) in OpenSSH's format, without a passphrase."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return (
        ed25519.Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        .decode()
    )  # fmt: skip


def _identity(text: str, name: str, is_checked: bool) -> Identity:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if _is_locked(text):
        raise InvalidArgument(
            f"the SSH key {name[:60]} has a passphrase, and nobody is here to type it: "
            "give a key without one (ssh-keygen -p -f COPY removes it)"
        )
    try:
        load = serialization.load_ssh_private_key if " OPENSSH " in text[:40] else serialization.load_pem_private_key
        # OpenSSL's check of RSA takes its numbers' size to the third power: they are looked at before it.
        key = load(text.encode() + b"\n", None, unsafe_skip_rsa_key_validation=True)
    except Exception as error:  # noqa: BLE001 - the library has many, and their texts may have parts of a key
        raise InvalidArgument(f"the SSH key {name[:60]} can't be read: {type(error).__name__}") from None
    is_known = isinstance(key, (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey))
    if not is_known or (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size not in (256, 384, 521)):
        raise InvalidArgument(f"the SSH key {name[:60]} is of another kind than Ed25519, ECDSA (NIST) and RSA")
    assert isinstance(key, (ed25519.Ed25519PrivateKey, ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey))
    if isinstance(key, rsa.RSAPrivateKey):
        key = _rsa(key, name, is_checked)
    try:
        line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    except ValueError:
        raise InvalidArgument(f"the SSH key {name[:60]} is on a curve that SSH has no name for") from None
    return Identity(base64.b64decode(line.split()[1]), name, key)


def _rsa(key: RSAPrivateKey, name: str, is_checked: bool) -> RSAPrivateKey:
    least, most = _RSA_BITS
    if not least <= key.key_size <= most:
        raise InvalidArgument(f"the SSH key {name[:60]} has {key.key_size} bits: RSA has {least} to {most} here")
    if is_checked:
        return key
    try:
        numbers = key.private_numbers()
        public = numbers.public_numbers
        is_usual = (
            public.e.bit_length() <= _RSA_EXPONENT_BITS
            and numbers.d.bit_length() <= key.key_size
            and max(numbers.p, numbers.q).bit_length() <= (key.key_size + _RSA_UNEVEN_BITS) // 2
            and numbers.p * numbers.q == public.n
        )
        if is_usual:
            return numbers.private_key()
    except Exception:  # noqa: BLE001, S110 - as above
        pass
    raise InvalidArgument(f"the SSH key {name[:60]} can't be read: its numbers are not those of an RSA key")


def _is_locked(text: str) -> bool:
    if "ENCRYPTED" in text.partition("\n\n")[0]:
        return True
    if " OPENSSH " not in text[:40]:
        return False
    try:  # PROTOCOL.key: a magic word, then the name of a cipher
        inner = base64.b64decode("".join(text.split("\n")[1:-1]), validate=False)
    except (binascii.Error, ValueError):
        return False
    at = len(b"openssh-key-v1\0")
    length = int.from_bytes(inner[at : at + 4], "big")
    return inner[at + 4 : at + 4 + length] != b"none"


def _kind(blob: bytes) -> str:
    return blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode("ascii")


def _mpint(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")
