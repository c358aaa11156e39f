"""The site's own certificate authority, in its home: it signs the site's certificate, and those of docker's clients.

    HOME/tls/ca.pem  ca-key.pem      made at the first need, for ten years
    HOME/tls/server.pem  server-key.pem    anew when it ends soon, or when the site has other names

Keys are elliptic curve P-256 (FIPS 186-5), files of keys have mode 0600. A certificate for clients says so (extended
key usage), so that none passes for a server's. Sources: RFC 5280; docs.docker.com/engine/security/protect-access.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS, SERVER_DAYS = 3650, 397
RENEW_DAYS = 30
"""A server's certificate is made anew when it has fewer days left."""
_BACKDATED = timedelta(minutes=5)
"""Clocks of clients may be a little behind."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key, both PEM; `fingerprint` is SHA-256 of its DER form, in hex."""

    certificate: bytes
    key: bytes
    fingerprint: str
    expires_at: datetime


class Authority:
    """In `home`/tls; safe for several processes."""

    def __init__(self, home: Path) -> None:
        self.directory = home / "tls"

    @property
    def ca_pem(self) -> bytes:
        """The certificate that clients have to trust."""
        self._ca()
        return (self.directory / "ca.pem").read_bytes()

    def server(self, names: Sequence[str]) -> tuple[Path, Path]:
        """Files of a certificate and a key for a server of these names and addresses, made if there is need."""
        certificate, key = self.directory / "server.pem", self.directory / "server-key.pem"
        with self._locked():
            if not _is_good(certificate, key, names):
                issued = self._issue(names[0], SERVER_DAYS, ExtendedKeyUsageOID.SERVER_AUTH, names)
                _write(key, issued.key)
                _write(certificate, issued.certificate)
        return certificate, key

    def client(self, name: str, days: int) -> Issued:
        """A certificate for a client; nothing of it is kept here."""
        with self._locked():
            return self._issue(name, days, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def _issue(self, name: str, days: int, usage: x509.ObjectIdentifier, names: Sequence[str]) -> Issued:
        ca, ca_key = self._ca_unlocked()
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        expires_at = min(now + timedelta(days=days), ca.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
            .issuer_name(ca.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(expires_at)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_general, names))), critical=False)
        signed = builder.sign(ca_key, hashes.SHA256())
        fingerprint = signed.fingerprint(hashes.SHA256()).hex()
        return Issued(signed.public_bytes(serialization.Encoding.PEM), _key_pem(key), fingerprint, expires_at)

    def _ca(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        with self._locked():
            return self._ca_unlocked()

    def _ca_unlocked(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        certificate, key_file = self.directory / "ca.pem", self.directory / "ca-key.pem"
        if not certificate.exists():
            self._make_ca(certificate, key_file)
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return x509.load_pem_x509_certificate(certificate.read_bytes()), key

    def _make_ca(self, certificate: Path, key_file: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Portside {os.urandom(4).hex()}")])
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + timedelta(days=CA_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(key_file, _key_pem(key))
        _write(certificate, signed.public_bytes(serialization.Encoding.PEM))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _is_good(certificate: Path, key: Path, names: Sequence[str]) -> bool:
    if not certificate.exists() or not key.exists():
        return False
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    if found.not_valid_after_utc < datetime.now(UTC) + timedelta(days=RENEW_DAYS):
        return False
    present = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {_general(name) for name in names} <= set(present)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing, for root alone."""
    scratch = path.with_suffix(".new")
    fd = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)
