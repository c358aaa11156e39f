"""Builds of the seeded database: one at work, one that has gone well, one that failed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.utils import timezone

from tests.webui.pages.seed import NASTY, hex_id


def build_steps() -> list[dict[str, Any]]:
    """What a build of two stages has done: a pull, steps from the cache, steps that ran, one that is oddly named."""
    rows: list[tuple[str, str, str, list[str], str, float | None, int | None]] = [
        ("ctx", "load build context", "", [], "done", 0.2, None),
        ("go", "docker.io/library/golang:1.25", "", [], "done", 6.4, None),
        ("b1", "[build 1/4] WORKDIR /src", "build", ["go"], "cached", None, None),
        ("b2", "[build 2/4] COPY go.mod go.sum ./", "build", ["b1", "ctx"], "cached", None, 4096),
        ("b3", "[build 3/4] RUN go mod download", "build", ["b2"], "cached", None, 96 << 20),
        ("b4", "[build 4/4] RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /out/harbour ./cmd/harbour", "build",
         ["b3", "ctx"], "done", 18.7, 22 << 20),
        ("alp", "docker.io/library/alpine:latest", "", [], "cached", None, None),
        ("r1", "[stage-1 1/3] RUN apk add --no-cache ca-certificates", "stage-1", ["alp"], "done", 2.1, 3 << 20),
        ("r2", "[stage-1 2/3] COPY --from=build /out/harbour /bin/", "stage-1", ["r1", "b4"], "done", 0.1, 22 << 20),
        ("r3", f"[stage-1 3/3] LABEL who={NASTY}", "stage-1", ["r2"], "done", 0.0, 0),
    ]  # fmt: skip
    names = ("id", "name", "stage", "inputs", "state", "seconds", "size_bytes")
    return [dict(zip(names, row, strict=True)) for row in rows]


def rules(team: Any, host: Any, admin: Any) -> None:
    from webui.builds.models import BuildDelivery, BuildRule, GitServer, SshKey
    from webui.builds.rules import RuleWish

    wish = RuleWish(repository="https://git.harbour.example/team/app.git", tags=["v*"], names=["app:{branch}"])
    rule = BuildRule.objects.create(
        team=team, host=host, created_by=admin, name=NASTY[:100], wish=asdict(wish), sealed_secret="x",
        refused_at=timezone.now(), refusal="the signature is wrong",
    )  # fmt: skip
    for number, (outcome, reason) in enumerate((("built", ""), ("ignored", "it fits none of the rule's patterns"))):
        BuildDelivery.objects.create(
            rule=rule, delivery_id=str(number), event="push", ref="refs/heads/main", commit="1a" * 20, sender=NASTY,
            outcome=outcome, reason=reason,
        )  # fmt: skip
    SshKey.objects.create(
        team=team, name="deploy", fingerprint="SHA256:" + "Zk" * 21 + "c", sealed_private_key="x",
        public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "Qm4" * 14 + "K deploy",
    )  # fmt: skip
    GitServer.objects.create(team=team, server="git.harbour.example", username=NASTY[:200])


def builds(team: Any, host: Any, admin: Any, image: Any) -> None:
    from webui.builds.models import Build, BuildContext
    from webui.builds.request import BuildRequest
    from webui.jobs.models import Job

    now = timezone.now()
    context = BuildContext.objects.create(
        team=team, host=host, sent_by=admin, name="harbour", size_bytes=3 << 20, files=214
    )
    rows = [
        ("harbour:2.1", "running", context, [], None),
        ("harbour:2.0", "succeeded", context, build_steps(), None),
        (NASTY, "failed", None, build_steps()[:6], {"family": "invalid_argument", "message": f"RUN {NASTY}: exit 1"}),
    ]
    for number, (name, status, sent, steps, error) in enumerate(rows):
        is_over, at = status != "running", now - timedelta(minutes=10 * number)
        job = Job.objects.create(
            team=team, host=host, requested_by=admin, kind="image.build", subject=name, command={}, status=status,
            error=error, created_at=at, started_at=at, finished_at=at + timedelta(seconds=28) if is_over else None,
        )  # fmt: skip
        text = None if sent else f"FROM alpine\nLABEL who={NASTY}\n"
        wish = BuildRequest(
            tags=[name], dockerfile_text=text, build_args={"VERSION": "2", "WHO": NASTY},
            ssh_keys={"default": "deploy"}, entitlements=["security.insecure"],
        )  # fmt: skip
        Build.objects.create(
            id=hex_id(name)[:32], team=team, host=host, requested_by=admin, job=job, name=name, context=sent,
            steps=steps,
            image_id=image.image_id if status == "succeeded" else "", created_at=job.created_at,
            wish={**asdict(wish), "ssh": [], "secrets": ["token"] if sent is None else []},
        )  # fmt: skip
