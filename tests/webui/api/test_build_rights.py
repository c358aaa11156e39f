"""SSH keys and rights of builds over REST: where keys go and stay, and who may have the host's devices."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from engine.build.ssh_keys import new_key, read
from tests.support.valkey import Valkey
from tests.webui.cast import BUILD_ID, Caller
from webui.accounts.models import Team
from webui.builds.models import Build, SshKey
from webui.builds.services import build_secrets
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.jobs.services import job_apply
from webui.policies.models import TeamPolicy

pytestmark = pytest.mark.django_db(transaction=True)

TEXT: dict[str, Any] = {"dockerfile_text": "FROM alpine\n", "tags": ["app:2"]}
KEY, OTHER = new_key(), new_key()


def secret_lines(*keys: str) -> list[str]:
    return [line for key in keys for line in key.splitlines()[2:-1]]


def everything(caller: Caller) -> str:
    """All that the site's rows and its answers say of builds and keys."""
    rows = [list(model._default_manager.values()) for model in (Build, Job, SshKey)]
    shown = [caller.get(path).json() for path in ("builds/", "builds/ssh-keys/", "audit/", "jobs/")]
    return json.dumps([rows, shown], default=str)


def test_a_key_goes_with_the_task_is_sealed_and_gone_at_the_end(site_broker: Valkey, owner: Caller, host: Host) -> None:
    answer = owner.post("builds/", {**TEXT, "ssh": {"default": KEY}, "secrets": {"token": "x"}})
    assert answer.status_code == 202, answer.content
    assert answer.json()["build"]["wish"]["ssh"] == ["default"]
    job = Job.objects.get()
    carried = build_secrets(job) or {}
    assert (carried["ssh"], carried["build"]) == ({"default": KEY}, {"token": "x"})
    told = everything(owner)
    assert not [line for line in secret_lines(KEY) if line in told]
    job_apply(job=job, finished={"status": "failed", "at": timezone.now(), "error": {"family": "internal"}})
    assert Build.objects.get().secrets == ""
    assert "ssh" not in (build_secrets(job) or {})


def test_a_key_has_to_be_given_again_but_not_a_stored_one(site_broker: Valkey, owner: Caller, host: Host) -> None:
    assert owner.post("builds/ssh-keys/", {"name": "deploy"}).status_code == 201
    owner.post("builds/", {**TEXT, "ssh": {"default": KEY}, "ssh_keys": {"default": "deploy", "two": "deploy"}})
    build = Build.objects.get()
    stored = build_secrets(build.job)
    assert stored is not None and [len(read(stored["ssh"][name], name)) for name in ("default", "two")] == [2, 1]
    again = f"builds/{build.pk.hex}/again/"
    refused = owner.post(again, {})  # with the stored one alone its agent would sign less than it did
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["ssh"])
    assert owner.post(again, {"ssh": {"default": OTHER}}).status_code == 202
    build.wish |= {"ssh_keys": {}}
    build.save()
    refused = owner.post(again, {})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["ssh"])
    for changes in ({"ssh": {"default": OTHER}}, {"ssh_keys": {"default": "deploy"}}):
        assert owner.post(again, changes).status_code == 202
    latest = build_secrets(Job.objects.latest("created_at"))
    assert latest is not None and list(latest["ssh"]) == ["default"]


def test_keys_are_stored_and_only_their_public_half_comes_out(
    site_broker: Valkey, owner: Caller, teammate: Caller, outsider: Caller, host: Host
) -> None:
    made = owner.post("builds/ssh-keys/", {"name": "made"}).json()
    assert made["public_key"].startswith("ssh-ed25519 ") and made["public_key"].endswith(" made")
    given = owner.post("builds/ssh-keys/", {"name": "given", "private_key": KEY})
    assert (given.status_code, given.json()["fingerprint"]) == (201, read(KEY, "x")[0].fingerprint)
    assert {"sealed_private_key", "private_key"}.isdisjoint(given.json())
    told = everything(owner)
    assert not [line for line in secret_lines(KEY) if line in told]
    assert [row["name"] for row in owner.get("builds/ssh-keys/").json()["results"]] == ["given", "made"]
    assert outsider.get("builds/ssh-keys/").json()["results"] == []
    for body, status in (
        ({"name": "given"}, 409),
        ({"name": "again", "private_key": KEY}, 409),
        ({"name": "a b"}, 400),
        ({"name": "x", "private_key": "words"}, 400),
        ({"name": "x", "private_key": OTHER + new_key()}, 400),
    ):
        assert owner.post("builds/ssh-keys/", body).status_code == status, body
    assert teammate.post("builds/ssh-keys/", {"name": "x"}).status_code == 403
    assert teammate.delete(made["url"]).status_code == 403
    assert owner.delete(made["url"]).status_code == 204
    refused = owner.post("builds/", {**TEXT, "ssh_keys": {"default": "made"}})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["ssh_keys"])


def test_another_teams_key_is_no_key(site_broker: Valkey, owner: Caller, host: Host) -> None:
    other = Team.objects.create(name="Elsewhere")
    SshKey.objects.create(team=other, name="theirs", fingerprint="SHA256:x", sealed_private_key="x")
    assert owner.post("builds/", {**TEXT, "ssh_keys": {"default": "theirs"}}).status_code == 400
    assert not Job.objects.exists()


@pytest.mark.parametrize("right", ["security.insecure", "device", "network.host"])
def test_rights_need_the_right_to_loosen(
    site_broker: Valkey, owner: Caller, host: Host, team: Team, right: str
) -> None:
    wish = {**TEXT, "entitlements": [right]}
    refused = owner.post("builds/", wish)
    assert (refused.status_code, list(refused.json()["errors"])) == (403, ["entitlements"])
    assert "loosen" in refused.json()["detail"]
    TeamPolicy.objects.create(team=team, privileged=True)
    assert owner.post("builds/", wish).status_code == (202 if right == "security.insecure" else 403)
    assert owner.post("builds/", {**TEXT, "entitlements": ["all"]}).status_code == 400


def test_rights_reach_the_host_and_are_kept_for_the_next_time(
    site_broker: Valkey, owner: Caller, host: Host, team: Team, build: Build
) -> None:
    TeamPolicy.objects.create(team=team, privileged=True)
    shown = owner.post(f"builds/{BUILD_ID}/again/", {"entitlements": ["security.insecure"]}).json()["build"]
    assert shown["wish"]["entitlements"] == ["security.insecure"]
    assert Job.objects.latest("created_at").command["entitlements"] == ["security.insecure"]
