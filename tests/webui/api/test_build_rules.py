"""Rules of builds: what forges tell them, signed as each of them does, and what comes of it."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.support.valkey import Valkey
from tests.webui.cast import Caller, caller, member
from webui.accounts.models import CustomRole, Grant, Membership, Role, Team
from webui.accounts.tokens import token_create
from webui.builds import rules
from webui.builds.forges import BODY_BYTES
from webui.builds.models import Build, BuildDelivery, BuildRule, GitServer, SshKey
from webui.builds.services import build_secrets
from webui.hosts.models import Host
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "https://git.example.com/team/app.git"
RULE = {
    "name": "app", "repository": REPOSITORY, "branches": ["main", "release/*"], "tags": ["v*"], "directory": "docker",
    "names": ["app:{branch}", "app:{tag}", "app:{sha7}"], "push": True,
}  # fmt: skip


def github(ref: str, **more: Any) -> dict[str, Any]:
    return {
        "ref": ref, "after": COMMIT, "deleted": False, "head_commit": {"id": COMMIT}, "pusher": {"name": "ann"},
        "repository": {"clone_url": REPOSITORY, "ssh_url": "git@git.example.com:team/app.git"}, **more,
    }  # fmt: skip


def signed(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def deliver(hook: str, told: Any, **headers: str) -> Any:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return Client().post(hook, data=body, content_type="application/json", headers=headers)


def as_github(made: dict[str, Any], told: Any, delivery: str = "d1", event: str = "push") -> Any:
    body = json.dumps(told).encode()
    signature = f"sha256={signed(made['secret'], body)}"
    named = {"X-GitHub-Event": event, "X-GitHub-Delivery": delivery, "X-Hub-Signature-256": signature}
    return deliver(made["rule"]["hook"], body, **named)


@pytest.fixture
def made(site_broker: Valkey, host: Host, owner: Caller) -> dict[str, Any]:
    answer = owner.post("builds/rules/", RULE)
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_a_push_builds_the_commit_that_it_tells(made: dict[str, Any], owner: Caller) -> None:
    answer = as_github(made, github("refs/heads/main"))
    assert answer.status_code == 202
    build = Build.objects.get()
    assert answer.json()["build"] == build.pk.hex
    command = Job.objects.get().command
    assert (command["git"], command["push"]) == (f"{REPOSITORY}#{COMMIT}:docker", True)
    assert command["tags"] == ["docker.io/library/app:main", "docker.io/library/app:0123456"]
    shown = owner.get(f"builds/{build.pk.hex}/").json()
    assert shown["trigger"]["kind"] == "webhook"
    assert (shown["trigger"]["ref"], shown["trigger"]["sender"]) == ("refs/heads/main", "ann")
    assert shown["requested_by"] == "owner"
    again = as_github(made, github("refs/heads/main"))  # the same delivery once more
    assert again.json()["build"] == build.pk.hex
    assert Build.objects.count() == 1
    rows = owner.get(f"{made['rule']['url']}deliveries/").json()["results"]
    assert [(row["outcome"], row["ref"], row["build"]) for row in rows] == [("built", "refs/heads/main", build.pk.hex)]
    redelivered = owner.post(f"{rows[0]['url']}again/")
    assert redelivered.status_code == 202
    assert Build.objects.count() == 2


def test_a_body_that_was_built_is_not_built_again_under_another_id(
    made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its id is in a header, which no signature covers."""
    first = as_github(made, github("refs/heads/main"))
    for delivery in ("d2", "d3"):
        assert as_github(made, github("refs/heads/main"), delivery).json() == first.json()
    assert (Build.objects.count(), BuildDelivery.objects.count()) == (1, 1)
    assert as_github(made, github("refs/heads/main", pushed_at=2), "d4").status_code == 202  # another push
    assert as_github(made, github("refs/heads/release/1"), "d5").status_code == 202
    assert Build.objects.count() == 3
    BuildDelivery.objects.update(received_at=timezone.now() - rules.SAME_BODY)
    assert as_github(made, github("refs/heads/main"), "d6").json()["delivery_id"] == "d6"


def test_a_body_that_was_refused_may_come_again(made: dict[str, Any], owner: Caller) -> None:
    owner.call("patch", made["rule"]["url"], {"enabled": False})
    assert as_github(made, github("refs/heads/main")).json()["outcome"] == "ignored"
    owner.call("patch", made["rule"]["url"], {"enabled": True})
    assert as_github(made, github("refs/heads/main"), "d2").json()["outcome"] == "built"


def test_what_breaks_off_is_built_when_it_is_delivered_again(
    made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(**_: object) -> Build:
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(rules, "build_begin", stopped)
        as_github(made, github("refs/heads/main"))
    assert as_github(made, github("refs/heads/main")).status_code == 202


def test_each_forge_signs_in_its_own_way(made: dict[str, Any]) -> None:
    hook, secret = made["rule"]["hook"], made["secret"]
    for name in ("Gitea", "Forgejo"):
        body = json.dumps(github("refs/tags/v1.0", sender={"login": name})).encode()
        headers = {
            f"X-{name}-Event": "push", f"X-{name}-Delivery": f"d-{name}", f"X-{name}-Signature": signed(secret, body),
            "X-GitHub-Event": "push",
        }  # fmt: skip
        assert deliver(hook, body, **headers).status_code == 202
    gitlab = {
        "object_kind": "tag_push", "ref": "refs/tags/v1.0", "after": COMMIT, "checkout_sha": COMMIT,
        "user_username": "ben", "project": {"git_http_url": REPOSITORY},
    }  # fmt: skip
    headers = {"X-Gitlab-Event": "Tag Push Hook", "X-Gitlab-Event-UUID": "d3", "X-Gitlab-Token": secret}
    assert deliver(hook, gitlab, **headers).status_code == 202
    tags = [job.command["tags"] for job in Job.objects.all()]
    assert tags == [["docker.io/library/app:v1.0", "docker.io/library/app:0123456"]] * 3


def test_who_does_not_know_the_secret_builds_nothing(made: dict[str, Any], owner: Caller) -> None:
    hook, body = made["rule"]["hook"], json.dumps(github("refs/heads/main")).encode()
    for headers in (
        {},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": signed(made["secret"], body)},
        {"X-Hub-Signature": "sha1=0"},
        {"X-Gitea-Signature": ""},
        {"X-Gitea-Signature": signed("other", body)},
        {"X-Gitlab-Token": "wrong"},
        {"X-Gitlab-Token": "\xff\udc80".encode("utf-8", "surrogatepass").decode("latin-1")},
    ):
        assert deliver(hook, body, **{"X-GitHub-Event": "push", **headers}).status_code == 403
    assert deliver(f"/hooks/builds/{'0' * 32}/", body).status_code == 404
    assert Client().get(hook).status_code == 405
    assert deliver(hook, b" " * (BODY_BYTES + 1)).status_code == 413
    unread = {"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + signed(made["secret"], b"[1")}
    assert deliver(hook, b"[1", **unread).status_code == 400
    assert not Build.objects.exists()
    assert not BuildDelivery.objects.exists()
    assert owner.get(made["rule"]["url"]).json()["refusal"]


def test_what_the_rule_is_not_about_is_noted_and_builds_nothing(made: dict[str, Any], owner: Caller) -> None:
    other = {"clone_url": "https://git.example.com/team/other.git"}
    for number, (told, words) in enumerate(
        (
            (github("refs/heads/feature"), "fits none"),
            (github("refs/tags/1.0"), "fits none"),
            (github("refs/heads/main", deleted=True), "removed"),
            (github("refs/heads/main", after="0" * 40), "removed"),
            (github("refs/heads/main", repository=other), "another repository"),
            (github(7), "fits none"),
        )
    ):
        answer = as_github(made, told, delivery=f"d{number}")
        assert (answer.status_code, answer.json()["outcome"]) == (200, "ignored")
        assert words in answer.json()["reason"]
    assert as_github(made, {"zen": "x"}, event="ping").json() == {"detail": "pong"}
    assert as_github(made, {}, delivery="d9", event="issues").json()["outcome"] == "ignored"
    assert owner.call("patch", made["rule"]["url"], {"enabled": False}).status_code == 200
    assert "switched off" in as_github(made, github("refs/heads/main"), delivery="d8").json()["reason"]
    assert not Build.objects.exists()


def test_a_branch_becomes_a_tag_that_can_be(made: dict[str, Any]) -> None:
    assert as_github(made, github("refs/heads/release/2.x&more")).status_code == 202
    assert Job.objects.get().command["tags"][0] == "docker.io/library/app:release-2.x-more"


def test_a_rule_is_seen_by_who_sees_builds_where_it_builds(made: dict[str, Any], host: Host) -> None:
    developer = caller(member("dora", host.team, ""))
    Grant.objects.create(membership=Membership.objects.get(user=developer.user), role=Role.DEVELOPER, host=host)
    answer = developer.post("builds/rules/", {**RULE, "push": False})
    assert answer.status_code == 201
    assert developer.call("patch", answer.json()["rule"]["url"], {"name": "other"}).status_code == 200
    CustomRole.objects.create(key="clerk", name="Clerk").allowed.create(action="members.view")
    clerk = caller(member("clerk", host.team, "clerk"))
    assert clerk.get("builds/rules/").json()["results"] == []
    assert clerk.get(made["rule"]["url"]).status_code == 404


def test_a_rule_builds_with_the_rights_of_who_made_it(made: dict[str, Any], owner: Caller) -> None:
    Membership.objects.filter(user=owner.user).update(role=Role.VIEWER)
    answer = as_github(made, github("refs/heads/main"))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "refused")
    assert not Build.objects.exists()


def test_a_new_secret_ends_the_old_one(made: dict[str, Any], owner: Caller) -> None:
    secret = owner.post(f"{made['rule']['url']}secret/").json()["secret"]
    assert as_github(made, github("refs/heads/main")).status_code == 403
    assert as_github({**made, "secret": secret}, github("refs/heads/main")).status_code == 202
    assert secret not in BuildRule.objects.get().sealed_secret
    assert "secret" not in owner.get(made["rule"]["url"]).json()


def test_a_change_leaves_a_secret_that_was_made_meanwhile(made: dict[str, Any], owner: Caller) -> None:
    assert owner.user is not None
    before = BuildRule.objects.select_related("team", "host").get()
    secret = owner.post(f"{made['rule']['url']}secret/").json()["secret"]
    rules.rule_update(user=owner.user, rule=before, name="other")
    assert owner.get(made["rule"]["url"]).json()["name"] == "other"
    assert as_github({**made, "secret": secret}, github("refs/heads/main")).status_code == 202


def test_who_knows_the_secret_is_who_builds(made: dict[str, Any], host: Host, owner: Caller) -> None:
    """A new secret lets its maker sign what is built: with the maker's rights, not those of who made the rule."""
    other = caller(member("other", host.team, Role.MAINTAINER))
    secret = other.post(f"{made['rule']['url']}secret/").json()["secret"]
    assert as_github({**made, "secret": secret}, github("refs/heads/main")).status_code == 202
    assert Build.objects.get().requested_by == other.user


def test_a_token_that_may_not_push_makes_no_rule_that_does(made: dict[str, Any], owner: Caller) -> None:
    assert owner.user is not None
    _, token = token_create(user=owner.user, name="builds", scopes=["builds.create", "read"])
    limited = Caller(owner.user, {"Authorization": f"Bearer {token}"}, Client())
    for answer in (
        limited.post("builds/rules/", RULE),
        limited.call("patch", made["rule"]["url"], {"name": "other"}),
        limited.post(f"{made['rule']['url']}secret/"),
    ):
        assert answer.status_code == 403
        assert "images.push" in answer.json()["detail"]
    assert limited.post("builds/rules/", {**RULE, "push": False}).status_code == 201


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"repository": "file:///etc/x.git"}, "repository"),
        ({"repository": "https://me:pw@git.example.com/x.git"}, "repository"),
        ({"repository": "https://git.example.com/x.git#main"}, "repository"),
        ({"branches": [], "tags": []}, "branches"),
        ({"branches": ["*" * 9]}, "branches"),
        ({"names": []}, "names"),
        ({"names": ["app:{day}"]}, "names"),
        ({"names": ["UPPER:{branch}"]}, "names"),
        ({"dockerfile": "../x"}, "dockerfile"),
        ({"build_args": {"1": "x"}}, "build_args"),
        ({"ssh_keys": {"default": "nowhere"}}, "ssh_keys"),
        ({"ssh_keys": {"a/b": "deploy"}}, "ssh_keys"),
    ],
)
def test_a_wrong_rule_is_told_by_field(host: Host, owner: Caller, fields: dict[str, Any], field: str) -> None:
    answer = owner.post("builds/rules/", {**RULE, **fields})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_a_rules_builds_have_the_teams_ssh_keys_that_it_names(
    site_broker: Valkey, made: dict[str, Any], owner: Caller
) -> None:
    assert made["rule"]["ssh_keys"] == {}
    key = owner.post("builds/ssh-keys/", {"name": "deploy"}).json()
    elsewhere = Team.objects.create(name="Elsewhere")
    SshKey.objects.create(team=elsewhere, name="theirs", fingerprint="SHA256:x", sealed_private_key="x")
    rule = made["rule"]["url"]
    assert owner.call("patch", rule, {"ssh_keys": {"default": "theirs"}}).status_code == 400
    assert owner.call("patch", rule, {"ssh_keys": {"default": "deploy"}}).json()["ssh_keys"] == {"default": "deploy"}
    as_github(made, github("refs/heads/main"))
    build = Build.objects.get()
    assert build.wish["ssh_keys"] == {"default": "deploy"}
    assert list((build_secrets(build.job) or {})["ssh"]) == ["default"]
    private = (build_secrets(build.job) or {})["ssh"]["default"]
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    stored = json.dumps([job.command for job in Job.objects.all()]) + json.dumps(owner.get(rule).json())
    assert "PRIVATE KEY" not in stored
    assert owner.delete(key["url"]).status_code == 204
    refused = as_github(made, github("refs/heads/main", after="f" * 40), delivery="d2").json()
    assert refused["outcome"] == "refused" and "no SSH key 'deploy'" in refused["reason"]
    assert Build.objects.count() == 1
    assert owner.call("patch", rule, {"enabled": False}).status_code == 200
    assert owner.call("patch", rule, {"target": "x"}).status_code == 400
    assert owner.call("patch", rule, {"ssh_keys": {}}).json()["ssh_keys"] == {}


def test_passwords_of_git_servers_go_with_the_task_alone(site_broker: Valkey, host: Host, owner: Caller) -> None:
    body = {"server": "https://Git.Example.com/", "username": "robot", "password": "hush-hush"}
    shown = owner.post("builds/git-servers/", body)
    assert (shown.status_code, shown.json()["server"], shown.json()["has_password"]) == (201, "git.example.com", True)
    assert owner.post("builds/", {"git": f"{REPOSITORY}#main", "tags": ["app"]}).status_code == 202
    job = Job.objects.get()
    secrets = build_secrets(job)
    assert secrets is not None
    assert secrets["git"] == {"git.example.com": {"username": "robot", "password": "hush-hush", "ca_pem": ""}}
    everything = json.dumps([job.command, Build.objects.get().wish, owner.get("builds/git-servers/").json()])
    assert "hush-hush" not in everything + GitServer.objects.get().sealed_password
    for wrong in ({"server": "a b", "password": "x"}, {"server": "x.org"}, {"server": "x.org", "password": "a\nb"}):
        assert owner.post("builds/git-servers/", wrong).status_code == 400
    for address in ("https://me:pw@git.example.com/x.git", "/etc/x.git", "https://example.com/page"):
        assert list(owner.post("builds/", {"git": address}).json()["errors"]) == ["git"]


def test_a_job_whose_secrets_nobody_can_read_ends(
    site_broker: Valkey, host: Host, owner: Caller, settings: Any
) -> None:
    from webui.inbox.sweeper import job_send_again

    body = {"dockerfile_text": "FROM scratch", "secrets": {"a": "b"}}
    owner.post("builds/", body)
    settings.SECRET_KEY = "another key than before" * 3
    job_send_again(Job.objects.select_related("host", "team", "requested_by").get())
    job = Job.objects.get()
    assert (job.status, job.error["family"]) == ("failed", "data_corrupt")
