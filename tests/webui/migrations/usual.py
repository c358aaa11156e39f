"""What a team's first rows say, as the site has written them since its first day: by model, by field."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.hashers import make_password

from tests.webui.cast import CONTAINER_ID, IMAGE_ID, NETWORK_ID, PASSWORD
from webui.accounts.models import ApiToken
from webui.images.passwords import password_encrypt

TOKEN = "ps_a-token-from-before"
REGISTRY_PASSWORD = "s3cret"
NEVER: Any = None
SPEC = {
    "container_id": CONTAINER_ID,
    "name": "web",
    "image": "docker.io/library/alpine:latest",
    "command": ["sleep", "600"],
    "entrypoint": None,
    "env": {"A": "1"},
    "labels": {"tier": "front"},
    "ports": [{"container": 80, "host": 8080, "protocol": "tcp", "address": "127.0.0.1"}],
    "user": None,
    "workdir": None,
    "hostname": None,
    "memory_bytes": 64 << 20,
    "cpus": 0.5,
    "pids_limit": None,
    "restart": "always",
    "restart_limit": None,
    "start": True,
}
"""A container as the very first version wrote it: without any option that came later."""

USUAL: Mapping[str, Mapping[str, Any]] = {
    "accounts.Team": {"name": "Harbour"},
    "accounts.User": {"username": "ann", "password": make_password(PASSWORD), "is_superuser": False, "is_active": True},
    "accounts.Membership": {"role": "operator"},
    "accounts.ApiToken": {"name": "script", "digest": ApiToken.digest_of(TOKEN)},
    "accounts.SignInFailures": {"failures": 2},
    "hosts.Host": {"name": "pier", "stopped_at": NEVER},
    "containers.Container": {
        "id": CONTAINER_ID,
        "name": "web",
        "image": "alpine",
        "spec": SPEC,
        "desired_status": "running",
        "observed_status": "running",
        "ports": SPEC["ports"],
        "exit_code": NEVER,
        "error": "",
        "finished_at": NEVER,
    },
    "images.Image": {
        "image_id": IMAGE_ID,
        "tags": ["docker.io/library/alpine:latest"],
        "digests": ["docker.io/library/alpine@sha256:" + "2b" * 32],
        "config": {"Env": ["PATH=/bin"]},
    },
    "images.RegistryCredential": {
        "registry": "registry.example.com",
        "username": "ann",
        "encrypted_password": password_encrypt(REGISTRY_PASSWORD),
    },
    "jobs.Job": {
        "kind": "image.pull",
        "subject": "alpine",
        "command": {"kind": "image.pull", "reference": "docker.io/library/alpine:latest", "platform": None},
        "status": "succeeded",
        "progress": {},
        "result": {},
        "error": NEVER,
        "cancel_requested_at": NEVER,
    },
    "networks.Network": {"network_id": NETWORK_ID, "name": "front", "subnet": "10.20.0.0/24", "gateway": "10.20.0.1"},
    "networks.Endpoint": {"ip": "10.20.0.2", "interface": "eth0", "aliases": ["web"]},
    "volumes.Volume": {"name": "data", "labels": {"for": "web"}, "driver_opts": {}, "is_anonymous": False},
    "recordings.Recording": {"container_id": CONTAINER_ID, "container_name": "web", "source": "exec"},
    "builds.Build": {"name": "app:1", "steps": [], "wish": {"tags": ["app:1"], "build_args": {"A": "1"}}},
    "sessions.Session": {"expire_date": datetime.datetime(2099, 1, 1, tzinfo=datetime.UTC)},
}
