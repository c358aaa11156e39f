"""Client certificates: issued once, good for their user alone, and for nothing once they are revoked."""

from __future__ import annotations

import json
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.webui.cast import Caller, caller
from webui.accounts.models import User
from webui.accounts.tokens import token_create
from webui.audit.models import AuditEntry
from webui.certificates.authority import Authority
from webui.certificates.models import ClientCertificate
from webui.certificates.services import certificate_authenticate, certificate_create
from webui.dockerapi.admission import user_of
from webui.dockerapi.errors import Refusal
from webui.up import tls

pytestmark = pytest.mark.django_db


def test_the_authority_is_made_once_and_its_keys_are_roots(tmp_path: Path) -> None:
    first = Authority(tmp_path).ca_pem
    assert Authority(tmp_path).ca_pem == first
    certificate, key = Authority(tmp_path).server(["localhost", "127.0.0.1"])
    before = certificate.read_bytes()
    assert Authority(tmp_path).server(["127.0.0.1"])[0].read_bytes() == before
    Authority(tmp_path).server(["localhost", "harbour.example.com"])
    assert certificate.read_bytes() != before
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "tls").iterdir()} == {0o600}
    ssl.create_default_context().load_cert_chain(certificate, key)


def test_a_clients_certificate_is_no_servers(tmp_path: Path) -> None:
    issued = Authority(tmp_path).client("ann", 30)
    found = x509.load_pem_x509_certificate(issued.certificate)
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(Authority(tmp_path).ca_pem))
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_the_servers_context_is_made(tmp_path: Path) -> None:
    context = tls.context(tmp_path, ["harbour.example.com"], "0.0.0.0")
    assert (context.verify_mode, context.minimum_version) == (ssl.CERT_OPTIONAL, ssl.TLSVersion.TLSv1_2)


def test_it_is_issued_shown_once_and_revoked(owner: Caller, outsider: Caller, nobody: Caller) -> None:
    made = owner.post("certificates/", {"name": "laptop", "days": 30})
    assert made.status_code == 201, made.json()
    body = made.json()
    assert made["Cache-Control"] == "no-store" and "PRIVATE KEY" in body["key"]
    shown = owner.get("certificates/").content.decode()
    assert "laptop" in shown and "PRIVATE" not in shown
    assert certificate_authenticate(body["fingerprint"]) == owner.user
    assert outsider.get("certificates/").json()["count"] == 0
    assert outsider.delete(f"certificates/{body['id']}/").status_code == 404
    assert nobody.post("certificates/", {"name": "x"}).status_code == 401
    assert owner.delete(f"certificates/{body['id']}/").status_code == 204
    assert certificate_authenticate(body["fingerprint"]) is None
    entries = AuditEntry.objects.filter(action__startswith="certificate.")
    assert sorted(entries.values_list("action", flat=True)) == ["certificate.create", "certificate.remove"]
    assert "PRIVATE" not in json.dumps([entry.after for entry in entries])


def test_a_limited_token_makes_none(owner: Caller) -> None:
    assert owner.user is not None
    _, secret = token_create(user=owner.user, name="ci", scopes=["read"])
    limited = Caller(owner.user, {"Authorization": f"Bearer {secret}"}, owner.client)
    assert limited.post("certificates/", {"name": "x"}).status_code == 403


@pytest.mark.parametrize(("field", "value"), [("name", " "), ("days", 0), ("days", 100_000)])
def test_nonsense_is_refused(owner: Caller, field: str, value: Any) -> None:
    answer = owner.post("certificates/", {"name": "x", field: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_dockers_door_knows_its_holder_until_it_ends(owner: Caller) -> None:
    assert owner.user is not None
    row, issued = certificate_create(user=owner.user, name="laptop")
    scope = {"state": {"peer_certificate": issued.fingerprint}}
    assert user_of(scope, {}) == owner.user
    with pytest.raises(Refusal, match="pages"):  # a browser that has it would show it for any page
        user_of(scope, {"origin": "https://elsewhere.example"})
    ClientCertificate.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Refusal, match="ended"):
        user_of(scope, {})
    ClientCertificate.objects.filter(pk=row.pk).update(expires_at=timezone.now() + timedelta(days=1))
    User.objects.filter(pk=owner.user.pk).update(is_active=False)
    with pytest.raises(Refusal):
        user_of(scope, {})
    with pytest.raises(Refusal):
        user_of({"state": {"peer_certificate": "0" * 64}}, {})


def test_a_token_goes_before_a_certificate(owner: Caller, outsider: Caller) -> None:
    """Who shows both has said by the header who he wants to be."""
    assert owner.user is not None and outsider.user is not None
    _, issued = certificate_create(user=owner.user, name="laptop")
    scope, headers = {"state": {"peer_certificate": issued.fingerprint}}, caller(outsider.user).headers
    assert user_of(scope, {"authorization": headers["Authorization"]}) == outsider.user


def test_the_command_writes_what_docker_looks_for(owner: Caller, tmp_path: Path) -> None:
    call_command("docker_certificate", "owner", "--into", str(tmp_path / "certs"))
    assert sorted(path.name for path in (tmp_path / "certs").iterdir()) == ["ca.pem", "cert.pem", "key.pem"]
    assert (tmp_path / "certs" / "key.pem").stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="already"):
        call_command("docker_certificate", "owner", "--into", str(tmp_path / "certs"))
    with pytest.raises(CommandError, match="no active user"):
        call_command("docker_certificate", "none", "--into", str(tmp_path / "other"))
    with pytest.raises(CommandError, match="days"):
        call_command("docker_certificate", "owner", "--days", "0", "--into", str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()
