"""How a registry is spoken to: what is stored, what goes with tasks alone, and the test of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from webui.hosts.models import Host
from webui.images.models import Image, RegistryCredential
from webui.images.remote import image_signatures
from webui.images.services import job_secrets
from webui.jobs.models import Job
from webui.jobs.services import job_apply

pytestmark = pytest.mark.django_db(transaction=True)


def pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def test_all_that_is_stored_goes_with_the_task_and_none_of_it_into_the_job(
    site_broker: Valkey, owner: Caller, host: Host
) -> None:
    certificate = pem()
    body = {"registry": "registry.example.com", "username": "ann", "password": "s3cret", "ca_pem": certificate}
    body |= {"tls_verify": False, "mirrors": ["mirror:5000"]}  # type: ignore[dict-item]
    assert owner.post("registries/", body).status_code == 201
    owner.post("images/pull/", {"reference": "registry.example.com/a"})
    job = Job.objects.get()
    assert job_secrets(job) == {
        "username": "ann", "password": "s3cret", "plain_http": False, "tls_verify": False,
        "ca_pem": certificate.strip(), "mirrors": ["mirror:5000"], "of_mirrors": {},
    }  # fmt: skip
    assert "s3cret" not in str(job.command) and "mirror" not in str(job.command)


def test_signatures_are_looked_for_as_the_team_by_who_may_pull(
    site_broker: Valkey, owner: Caller, teammate: Caller, image: Image, host: Host
) -> None:
    image.digests = [f"registry.example.com/a@sha256:{'a' * 64}"]
    image.save()
    for registry in ("registry.example.com", "other.example.com"):
        body = {"registry": registry, "username": "ann", "password": registry}
        assert owner.post("registries/", body).status_code == 201
    key = owner.post("signing-keys/", {"name": "release"}).json()
    assert owner.user is not None
    wish = image_signatures(user=owner.user, image=image)
    assert (wish.host, wish.source, wish.parameters["image"]) == (host, "registry_signatures", image.image_id)
    assert wish.parameters["keys"] == (key["public_key"],)
    assert {name: one["password"] for name, one in wish.parameters["registries"].items()} == {
        "registry.example.com": "registry.example.com"
    }
    assert owner.get(f"images/{image.pk}/attachments/?registries=true").status_code == 503, "no bridge in this test"
    assert teammate.get(f"images/{image.pk}/attachments/?registries=true").status_code == 403


def test_a_repair_has_every_registrys_secrets_by_its_name_and_a_check_has_none(
    site_broker: Valkey, owner: Caller, host: Host
) -> None:
    owner.post("registries/", {"registry": "a.example", "username": "ann", "password": "s3cret"})
    owner.post("registries/", {"registry": "lab:5000", "plain_http": True})
    owner.post("images/fsck/", {"repair": True})
    owner.post("images/fsck/", {})
    secrets = {bool(job.command["repair"]): job_secrets(job) for job in Job.objects.all()}
    assert secrets[False] is None and secrets[True] is not None
    found = secrets[True]["registries"]
    assert {name: (one["username"], one["password"]) for name, one in found.items()} == {
        "a.example": ("ann", "s3cret"), "lab:5000": ("", ""),
    }  # fmt: skip


def test_a_registry_may_be_spoken_to_as_nobody(site_broker: Valkey, owner: Caller, host: Host) -> None:
    answer = owner.post("registries/", {"registry": "lab:5000", "plain_http": True})
    assert (answer.status_code, answer.json()["username"], answer.json()["plain_http"]) == (201, "", True)
    owner.post("images/pull/", {"reference": "lab:5000/a"})
    secrets = job_secrets(Job.objects.get())
    assert secrets is not None and (secrets["username"], secrets["password"], secrets["plain_http"]) == ("", "", True)


def test_a_password_stays_with_its_user_until_it_is_replaced(site_broker: Valkey, owner: Caller, host: Host) -> None:
    owner.post("registries/", {"registry": "a.example", "username": "ann", "password": "s3cret"})
    assert (
        owner.post("registries/", {"registry": "a.example", "username": "ann", "mirrors": ["b:5000"]}).status_code
        == 201
    )
    answer = owner.post("registries/", {"registry": "a.example", "username": "bob"})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["password"])
    owner.post("images/pull/", {"reference": "a.example/x"})
    secrets = job_secrets(Job.objects.get())
    assert secrets is not None and (secrets["password"], secrets["mirrors"]) == ("s3cret", ["b:5000"])


def test_a_mirror_is_signed_in_to_as_its_own_host_is(site_broker: Valkey, owner: Caller, host: Host) -> None:
    mirrors = ["https://b:5000/hub", "c:5000"]
    owner.post("registries/", {"registry": "a.example", "username": "ann", "password": "s3cret", "mirrors": mirrors})
    owner.post("registries/", {"registry": "b:5000", "username": "bob", "password": "swordfish", "mirrors": ["d:1"]})
    owner.post("images/pull/", {"reference": "a.example/x"})
    job = Job.objects.get()
    assert "swordfish" not in str(job.command)
    secrets = job_secrets(job)
    assert secrets is not None and secrets["password"] == "s3cret"
    [(name, own)] = secrets["of_mirrors"].items()
    assert (name, own["username"], own["password"], own["mirrors"]) == (mirrors[0], "bob", "swordfish", ())


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"ca_pem": "no certificate"}, "ca_pem"),
        ({"ca_pem": "-----BEGIN CERTIFICATE-----", "plain_http": True}, "ca_pem"),
        ({"mirrors": ["user:pw@host"]}, "mirrors"),
        ({"mirrors": ["a b"]}, "mirrors"),
        ({"mirrors": ["m"] * 9}, "mirrors"),
        ({"username": "a" * 256, "password": "x"}, "username"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_setting_is_named(owner: Caller, wish: dict[str, object], field: str) -> None:
    answer = owner.post("registries/", {"registry": "docker.io", **wish})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_a_test_is_a_job_whose_answer_is_kept(
    site_broker: Valkey, owner: Caller, teammate: Caller, outsider: Caller, host: Host, credential: RegistryCredential
) -> None:
    path = f"registries/{credential.pk}/test/"
    assert (teammate.post(path).status_code, outsider.post(path).status_code) == (403, 404)
    assert owner.post(path).status_code == 202
    job = Job.objects.get()
    assert job.command == {"kind": "registry.try", "registry": "registry.example.com"}
    assert (job_secrets(job) or {})["password"] == "s3cret"
    limit = {"limit": 100, "remaining": 99, "window_seconds": 21600}
    result = {"ok": True, "message": "signed in as ann", "user": "ann", "rate_limit": limit}
    job_apply(job=job, finished={"status": "succeeded", "at": datetime.now(UTC), "result": result})
    tried = owner.get("registries/").json()["results"][0]["tried"]
    assert (tried["ok"], tried["user"], tried["rate_limit"], tried["host"]) == (True, "ann", limit, "pier")


def test_a_test_that_failed_says_why(
    site_broker: Valkey, owner: Caller, host: Host, credential: RegistryCredential
) -> None:
    owner.post(f"registries/{credential.pk}/test/")
    error = {"family": "unavailable", "message": "no such host", "detail": {}}
    job_apply(job=Job.objects.get(), finished={"status": "failed", "at": datetime.now(UTC), "error": error})
    tried = owner.get("registries/").json()["results"][0]["tried"]
    assert (tried["ok"], tried["message"]) == (False, "no such host")


def test_one_is_read_by_its_team_alone(owner: Caller, outsider: Caller, credential: RegistryCredential) -> None:
    path = f"registries/{credential.pk}/"
    assert owner.call("get", path).json()["registry"] == "registry.example.com"
    assert "s3cret" not in owner.call("get", path).content.decode()
    assert outsider.call("get", path).status_code == 404
