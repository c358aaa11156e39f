"""Debian's docker-registry as a process on a loopback port: open, with basic or with bearer authentication."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

from tests.support.certificates import self_signed
from tests.support.processes import Program, answers, free_port
from tests.support.token_server import TokenServer

USERNAME = "alice"
PASSWORD = "open sesame"


class Registry:
    """A running registry; `address` is host:port, `ca_pem` the certificate of one with TLS.

    `mirror_of` another one's address, it passes on what is asked of it, and keeps it.
    """

    def __init__(self, directory: Path, *, auth: str = "none", mirror_of: str = "", tls: bool = False) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.token_server: TokenServer | None = None
        self.data.mkdir(parents=True, exist_ok=True)
        self.auth = auth
        self._mirror_of = mirror_of
        self.ca_pem = self_signed(directory)[0].read_text() if tls else ""
        config = directory / "config.json"
        config.write_text(json.dumps(self._config()))  # JSON is YAML
        self._command = ["docker-registry", "serve", str(config)]
        self.start()

    def _config(self) -> dict[str, object]:
        config: dict[str, object] = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.data)}, "delete": {"enabled": True}},
            "http": {"addr": self.address},
        }
        if self._mirror_of:
            config["proxy"] = {"remoteurl": f"http://{self._mirror_of}"}
        if self.ca_pem:
            files = {name: str(self.directory / f"{name}.pem") for name in ("certificate", "key")}
            config["http"] = {"addr": self.address, "tls": files}
        if self.auth == "basic":
            passwords = self.directory / "htpasswd"
            line = subprocess.run(
                ["htpasswd", "-Bbn", USERNAME, PASSWORD], check=True, capture_output=True, text=True
            ).stdout
            passwords.write_text(line.strip() + "\n")
            config["auth"] = {"htpasswd": {"realm": "tests", "path": str(passwords)}}
        elif self.auth == "bearer":
            self.token_server = TokenServer(self.directory, service=self.address, users={USERNAME: PASSWORD})
            config["auth"] = {
                "token": {
                    "realm": self.token_server.realm,
                    "service": self.address,
                    "issuer": self.token_server.issuer,
                    "rootcertbundle": str(self.token_server.certificate_file),
                }
            }
        return config

    def start(self) -> None:
        self.program = Program(self._command, log=self.directory / "registry.log")
        self.program.wait_until(lambda: answers(self.port), what=f"the registry on {self.address}")

    def stop(self) -> None:
        """Stop answering; the data stays, `start` goes on at the same address."""
        self.program.stop()

    def close(self) -> None:
        self.stop()
        if self.token_server is not None:
            self.token_server.close()

    def reference(self, name: str) -> str:
        """`tiny:latest` → what one pulls from here."""
        return f"{self.address}/{name}"

    def push(self, layout: Path, name: str, *options: str) -> str:
        """Push an OCI layout (`directory:tag`'s image is the layout's only one) with skopeo; the reference to pull.

        A multi-platform index goes with all its images.
        """
        command = ["skopeo", "copy", "--insecure-policy", "--all", "--dest-tls-verify=false", "--quiet"]
        if self.auth != "none":
            command += ["--dest-creds", f"{USERNAME}:{PASSWORD}"]
        done = subprocess.run(
            [*command, *options, f"oci:{layout}", f"docker://{self.reference(name)}"],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"skopeo could not push {name}:\n{done.stderr}\n{self.program.output()}"
        return self.reference(name)

    def pulled(self, name: str, target: Path) -> Path:
        """What skopeo reads of an image here, as an OCI layout in `target` (all platforms of an index)."""
        command = ["skopeo", "copy", "--insecure-policy", "--all", "--src-tls-verify=false", "--quiet"]
        if self.auth != "none":
            command += ["--src-creds", f"{USERNAME}:{PASSWORD}"]
        done = subprocess.run(
            [*command, f"docker://{self.reference(name)}", f"oci:{target}"],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"skopeo could not pull {name}:\n{done.stderr}\n{self.program.output()}"
        return target

    def manifest(self, name: str, tag: str = "latest") -> dict[str, object]:
        """The manifest as this registry serves it (open registries only)."""
        request = urllib.request.Request(
            f"http://{self.address}/v2/{name}/manifests/{tag}",
            headers={
                "Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
                "application/vnd.docker.distribution.manifest.v2+json"
            },
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            document: dict[str, object] = json.load(response)
        return document

    def blob_file(self, digest: str) -> Path:
        """Where the registry keeps a blob: tests corrupt or truncate it there."""
        hexadecimal = digest.removeprefix("sha256:")
        return self.data / "docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal / "data"
