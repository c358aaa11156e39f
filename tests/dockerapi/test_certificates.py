"""The docker command by TLS: a certificate of the site's own authority says who asks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.portside import Portside

pytestmark = [pytest.mark.root]


def docker(portside: Portside, certificates: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    files = [f"--tls{kind}={certificates / file}" for kind, file in (("cacert", "ca.pem"), ("cert", "cert.pem"))]
    return subprocess.run(
        ["docker", "--config", str(certificates / "config"), "--tlsverify", *files,
         f"--tlskey={certificates / 'key.pem'}", "-H", f"tcp://{portside.tls_address}", *words],
        check=False, capture_output=True, text=True, timeout=120, input=given,
    )  # fmt: skip


def test_the_docker_command_comes_with_a_certificate(portside: Portside, tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    portside.manage("docker_certificate", "admin", "--into", str(certificates), "--name", "laptop")
    seen = docker(portside, certificates, "ps", "--quiet")
    assert seen.returncode == 0, seen.stderr
    described = docker(portside, certificates, "info", "--format", "{{.Name}}")
    assert described.stdout.strip() == "tests", described.stderr
    (issued,) = [one for one in portside.rest.rows("/api/v1/certificates/") if one["name"] == "laptop"]
    assert issued["last_used_at"] is not None
    assert portside.rest.delete(f"/api/v1/certificates/{issued['id']}/").status == 204
    refused = docker(portside, certificates, "ps")
    assert refused.returncode != 0 and "revoked" in refused.stderr


@pytest.mark.registry
def test_output_comes_after_the_end_of_the_input(portside: Portside, tiny_image: str, tmp_path: Path) -> None:
    """The client says so at once where there is no input, by TLS's own word for it."""
    certificates = tmp_path / "certificates"
    portside.manage("docker_certificate", "admin", "--into", str(certificates))
    pulled = docker(portside, certificates, "pull", "--quiet", tiny_image)
    assert pulled.returncode == 0, pulled.stderr
    ran = docker(portside, certificates, "run", "--rm", tiny_image, "sh", "-c", "sleep 0.5; echo late")
    assert (ran.returncode, ran.stdout) == (0, "late\n"), ran.stderr
    echoed = docker(portside, certificates, "run", "--rm", "-i", tiny_image, "sh", "-c", "cat; sleep 0.5; echo late",
                    given="in\n")  # fmt: skip
    assert (echoed.returncode, echoed.stdout) == (0, "in\nlate\n"), echoed.stderr


def test_a_certificate_of_somebody_elses_making_is_not_taken(portside: Portside, tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    portside.manage("docker_certificate", "admin", "--into", str(certificates))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
         "/CN=admin", "-days", "2", "-keyout", str(certificates / "key.pem"), "-out", str(certificates / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    refused = docker(portside, certificates, "ps")
    assert refused.returncode != 0
    assert "CONTAINER ID" not in refused.stdout
