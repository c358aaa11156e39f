"""A database full of what pages have to show: two hosts, images, containers in every state, jobs of every kind.

PORTSIDE_HOME=/tmp/seeded python manage.py migrate && PORTSIDE_HOME=/tmp/seeded python -m tests.webui.pages.seed
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

PASSWORD = "correct horse battery"
NASTY = '<img src=x onerror="document.title=1">'


@dataclass(frozen=True, slots=True)
class Seeded:
    admin: Any
    team: Any
    hosts: list[Any]
    containers: dict[str, Any]
    images: list[Any]
    volumes: list[Any]
    jobs: dict[str, Any]


def hex_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def seed(*, empty: bool = False) -> Seeded:
    """Fill the database; `empty` leaves it as it is a minute after the first start."""
    from tests.webui.pages.seed_builds import builds, rules
    from tests.webui.pages.seed_networks import networks
    from tests.webui.pages.seed_people import people
    from webui.accounts.models import Membership, Role, Team, User

    team = Team.objects.create(name="Harbour")
    admin = User.objects.create_superuser(username="admin", password=PASSWORD)
    Membership.objects.create(team=team, user=admin, role=Role.MAINTAINER)
    hosts = _hosts(team, 1 if empty else 2)
    if empty:
        return Seeded(admin, team, hosts, {}, [], [], {})
    images = _images(team, hosts)
    containers = _containers(team, hosts, admin)
    volumes = _volumes(team, hosts[0], containers["web"])
    networks(team, hosts[0], containers)
    jobs = _jobs(team, hosts[0], admin, containers)
    builds(team, hosts[0], admin, images[2])
    rules(team, hosts[0], admin)
    _events(team, hosts[0], containers)
    people(team, hosts, admin, NASTY)
    return Seeded(admin, team, hosts, containers, images, volumes, jobs)


def _events(team: Any, host: Any, containers: dict[str, Any]) -> None:
    """A container's life, one that is gone, and a pull."""
    from webui.activity.models import Event

    web = containers["web"]
    told: list[tuple[str, str, dict[str, Any]]] = [
        ("image", "pull", {"actor_id": "sha256:" + "1a" * 32, "name": "nginx:1.27"}),
        ("container", "create", {}),
        ("container", "start", {}),
        ("container", f"exec_start: sh -c {NASTY}", {"attributes": {"execID": "e" * 64}}),
        ("container", "health_status: healthy", {}),
        ("container", "kill", {"attributes": {"signal": "15"}}),
        ("container", "die", {"attributes": {"exitCode": "137", "execDuration": "12", "error": NASTY}}),
        ("network", "disconnect", {"actor_id": "bridge", "name": "bridge", "image": ""}),
        ("container", "destroy", {"actor_id": "d" * 64, "container_id": "d" * 64, "name": NASTY}),
    ]
    for number, (kind, action, more) in enumerate(told, 1):
        of_container = {"actor_id": web.pk, "container_id": web.pk, "name": web.name, "image": web.image}
        Event.objects.create(
            host=host,
            team=team,
            seq=number,
            at=timezone.now() - timedelta(minutes=20 - number),
            type=kind,
            verb=action.partition(":")[0],
            action=action,
            **{**(of_container if kind != "image" else {}), **more},
        )


def _hosts(team: Any, count: int) -> list[Any]:
    from webui.hosts.models import Host

    facts = {
        "team": team,
        "operating_system": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.1.0-28-amd64",
        "architecture": "amd64",
        "cgroup_version": "v2",
        "engine_version": "0.1.0",
    }
    pier = Host.objects.create(
        id="8a1d3b1e-0000-4000-8000-000000000001",
        name="pier",
        cores=8,
        memory_bytes=16 << 30,
        disk_total_bytes=500 << 30,
        disk_free_bytes=212 << 30,
        heartbeat_at=timezone.now() + timedelta(days=1),
        **facts,
    )
    if count == 1:
        return [pier]
    buoy = Host.objects.create(
        id="8a1d3b1e-0000-4000-8000-000000000002",
        name="buoy-north",
        cores=2,
        memory_bytes=4 << 30,
        disk_total_bytes=40 << 30,
        disk_free_bytes=2 << 30,
        heartbeat_at=timezone.now() - timedelta(hours=3),
        **facts,
    )
    return [pier, buoy]


def _images(team: Any, hosts: list[Any]) -> list[Any]:
    from webui.images.models import Image

    rows = [
        ("docker.io/library/postgres:17", 438 << 20, 14, {"exposed_ports": ["5432/tcp"], "cmd": ["postgres"]}),
        ("docker.io/library/nginx:1.29-alpine", 52 << 20, 8, {"exposed_ports": ["80/tcp"]}),
        ("docker.io/library/alpine:latest", 8 << 20, 1, {"cmd": ["/bin/sh"]}),
        ("registry.harbour.example/team/very-long-service-name-for-the-table:2026.11.25-build.1842", 1 << 30, 31, {}),
        ("portside/starter:latest", 24 << 20, 1, {"cmd": ["/bin/sh"]}),
    ]
    made = []
    for index, (tag, size, layers, config) in enumerate(rows):
        image = Image.objects.create(
            team=team,
            host=hosts[0],
            image_id=f"sha256:{hex_id(tag)}",
            tags=[tag],
            digests=[f"sha256:{hex_id(tag + 'd')}"],
            size_bytes=size,
            layers=layers,
            architecture="amd64",
            os="linux",
            config=config,
            built_at=timezone.now() - timedelta(days=3 * index + 1),
            updated_at=timezone.now() - timedelta(hours=index * 7),
        )
        made.append(image)
    return made


def _containers(team: Any, hosts: list[Any], admin: Any) -> dict[str, Any]:
    from webui.containers.models import Container

    now = timezone.now()
    web = [{"container": 80, "host": 8080, "protocol": "tcp", "address": "127.0.0.1"}]
    rows: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
        (
            "web",
            "nginx:1.29-alpine",
            {
                "observed_status": "running",
                "started_at": now - timedelta(days=3, hours=4),
                "ports": web,
                "ip_address": "10.88.0.2",
            },
            {
                "memory_bytes": 256 << 20,
                "cpus": 1.5,
                "restart": "unless-stopped",
                "env": {"TZ": "Asia/Seoul", "NGINX_HOST": "harbour.example"},
            },
        ),
        (
            "db",
            "postgres:17",
            {"observed_status": "running", "started_at": now - timedelta(minutes=42), "ip_address": "10.88.0.3"},
            {"memory_bytes": 1 << 30, "restart": "always"},
        ),
        (
            "worker-nightly",
            "registry.harbour.example/team/very-long-service-name-for-the-table:2026.11.25-build.1842",
            {
                "observed_status": "stopped",
                "exit_code": 0,
                "started_at": now - timedelta(hours=9),
                "finished_at": now - timedelta(hours=8),
            },
            {},
        ),
        (
            "hog",
            "alpine",
            {
                "observed_status": "stopped",
                "exit_code": 137,
                "oom_killed": True,
                "started_at": now - timedelta(hours=1),
                "finished_at": now - timedelta(minutes=50),
            },
            {"memory_bytes": 64 << 20, "command": ["sh", "-c", "tail /dev/zero"]},
        ),
        (
            "typo",
            "alpine",
            {
                "observed_status": "pending",
                "error": 'exec: "pyton" was not found in the image\'s PATH (/usr/local/sbin:/usr/local/bin)',
                "exit_code": 127,
            },
            {"command": ["pyton", "app.py"]},
        ),
        (
            "cache",
            "valkey/valkey:8",
            {"observed_status": "paused", "started_at": now - timedelta(hours=2), "ip_address": "10.88.0.7"},
            {},
        ),
        (
            "flaky",
            "alpine",
            {
                "observed_status": "restarting",
                "exit_code": 1,
                "restart_count": 7,
                "started_at": now - timedelta(seconds=20),
            },
            {"restart": "on-failure", "restart_limit": 10},
        ),
        ("fresh", "alpine", {"observed_status": "creating"}, {}),
        (
            NASTY,
            NASTY,
            {"observed_status": "stopped", "exit_code": 1, "error": NASTY, "finished_at": now},
            {"command": [NASTY], "env": {NASTY: NASTY}, "labels": {NASTY: NASTY}},
        ),
    ]
    made = {}
    for index, (name, image, seen, spec) in enumerate(rows):
        made[name] = Container.objects.create(
            id=hex_id(name),
            team=team,
            host=hosts[0],
            created_by=admin,
            name=name,
            image=image,
            image_id="",
            spec=spec,
            created_at=now - timedelta(hours=index * 5, minutes=3),
            **seen,
        )
    nginx = "sha256:" + hex_id("docker.io/library/nginx:1.29-alpine")
    Container.objects.filter(name="web").update(image_id=nginx)
    made["web"].refresh_from_db()
    return made


def _volumes(team: Any, host: Any, web: Any) -> list[Any]:
    """One that web has, one with options, one that nobody named, one that would be markup."""
    from webui.volumes.models import Volume, VolumeSize

    nfs = {"type": "nfs", "device": ":/export/harbour/long/path", "o": "addr=10.0.0.5,rw"}
    rows: list[tuple[str, dict[str, Any]]] = [
        ("site-data", {"labels": {"for": "web", "com.example.a-long-name-of-a-label": "a value"}}),
        ("archive", {"driver_opts": nfs}),
        (hex_id("volume"), {"is_anonymous": True}),
        ("cache", {"driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": "size=64m"}, "labels": {NASTY: NASTY}}),
    ]
    made = [Volume.objects.create(team=team, host=host, name=name, **more) for name, more in rows]
    now, data = timezone.now(), made[0]
    for hours, megabytes in ((700, 40), (500, 90), (300, 180), (160, 175), (90, 320), (40, 410), (12, 640), (2, 655)):
        VolumeSize.objects.create(volume=data, at=now - timedelta(hours=hours), size_bytes=megabytes << 20)
    data.size_bytes, data.files, data.measured_at, data.limit_bytes = 655 << 20, 4812, now, 1 << 30
    data.quota = "kernel"
    data.save()
    web.mounted = [
        {"type": "volume", "name": "site-data", "source": "/x", "destination": "/usr/share/nginx", "read_only": True},
        {"type": "bind", "name": "", "source": "/srv/conf", "destination": "/etc/nginx", "read_only": False},
    ]
    web.save()
    return made


def _jobs(team: Any, host: Any, admin: Any, containers: dict[str, Any]) -> dict[str, Any]:
    from webui.jobs.models import Job

    now = timezone.now()
    layers = [
        {"id": hex_id(str(number))[:12], "status": status, "done_bytes": done, "total_bytes": total}
        for number, (status, done, total) in enumerate(
            [
                ("exists", 0, 3 << 20),
                ("done", 12 << 20, 12 << 20),
                ("unpacking", 84 << 20, 91 << 20),
                ("downloading", 31 << 20, 140 << 20),
                ("waiting", 0, 44 << 20),
            ]
        )
    ]
    refused = {
        "family": "unavailable",
        "message": "registry-1.docker.io could not be reached: the name could not be resolved",
        "detail": {"registry": "registry-1.docker.io"},
    }
    rows: list[tuple[str, str, str, str, dict[str, Any]]] = [
        (
            "pull",
            "image.pull",
            "ghcr.io/harbour/api:4.2",
            "running",
            {"started_at": now - timedelta(seconds=14), "progress": {"phase": "downloading", "items": layers}},
        ),
        (
            "failed",
            "image.pull",
            "debian:13",
            "failed",
            {
                "started_at": now - timedelta(minutes=6),
                "finished_at": now - timedelta(minutes=5, seconds=41),
                "error": refused,
            },
        ),
        ("queued", "container.start", containers["hog"].pk, "queued", {}),
        (
            "create",
            "container.create",
            containers["web"].pk,
            "succeeded",
            {
                "started_at": now - timedelta(days=3, hours=4),
                "finished_at": now - timedelta(days=3, hours=4) + timedelta(seconds=1.4),
            },
        ),
        (
            "cancelled",
            "image.pull",
            "python:3.14",
            "cancelled",
            {"started_at": now - timedelta(days=1), "finished_at": now - timedelta(days=1) + timedelta(seconds=75)},
        ),
        (
            "nasty",
            "image.pull",
            NASTY,
            "failed",
            {
                "started_at": now,
                "finished_at": now,
                "error": {"family": "not_found", "message": NASTY, "detail": {NASTY: NASTY}},
            },
        ),
    ]
    return {
        key: Job.objects.create(
            team=team,
            host=host,
            requested_by=admin,
            kind=kind,
            subject=subject,
            status=status,
            command={"kind": kind},
            created_at=now - timedelta(minutes=index * 11),
            **more,
        )
        for index, (key, kind, subject, status, more) in enumerate(rows)
    }


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webui.settings")
    django.setup()
    seed(empty=bool(os.environ.get("EMPTY")))
