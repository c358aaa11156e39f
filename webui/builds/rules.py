"""Rules: what is built when a forge tells of a push, and what came of each of its deliveries.

A build of a rule has the rights of who made the rule, asked anew each time. What is built is the very commit that was
told. One delivery begins one build, however often it comes, and under whichever id: forges sign bodies, and not the
headers that have the id, so who has seen one delivery could else have an old commit built again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase

from django.db import IntegrityError, transaction
from django.utils import timezone

from engine.errors import EngineError, InvalidArgument, PermissionDenied
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.builds import forges
from webui.builds.forges import Push
from webui.builds.models import Build, BuildDelivery, BuildRule
from webui.builds.request import BuildRequest, git_problem, request_check
from webui.builds.services import build_begin, require_pushes
from webui.builds.ssh_keys import ssh_keys_named
from webui.hosts.models import Host
from webui.sealing import Seal

BUILT, IGNORED, REFUSED = "built", "ignored", "refused"
DELIVERIES_KEPT = 200
SAME_BODY = timedelta(days=1)
"""So long a body that was built is not built again. Pushes of the same have times of their own in it."""
_SEAL = Seal("portside build rules 1", "a build rule's secret")
_PATTERNS, _NAMES = 20, 20
_WORDS = re.compile(r"\{([a-z0-9]*)\}")
_KNOWN = frozenset({"branch", "tag", "sha", "sha7"})
_ODD = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWish:
    """`repository`: an address to clone from; `branches`, `tags`: patterns with `*` and `?`; `names`: of the image, in
    which {branch}, {tag}, {sha}, {sha7} stand for what was pushed; `push`: send it to its registries; `ssh_keys`: id of
    an agent → the name of one of the team's, with which what was pushed may sign. The rest is as in `BuildRequest`."""

    repository: str
    branches: Sequence[str] = ("main",)
    tags: Sequence[str] = ()
    directory: str = ""
    dockerfile: str = "Dockerfile"
    target: str = ""
    names: Sequence[str] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    push: bool = False
    ssh_keys: Mapping[str, str] = field(default_factory=dict)


@transaction.atomic
def rule_create(*, user: User, host: Host, name: str, wish: RuleWish) -> tuple[BuildRule, str]:
    """A rule, and the secret that the forge has to be told; it is shown this once.

    Raises PermissionDenied, InvalidArgument with the fields.
    """
    require_on(user, "builds.create", host)
    _check(name, wish)
    ssh_keys_named(host.team, wish.ssh_keys)
    _require_pushes(user, host, wish)
    secret = secrets.token_urlsafe(32)
    rule = BuildRule.objects.create(
        team=host.team,
        host=host,
        created_by=user,
        name=name.strip(),
        wish=asdict(wish),
        sealed_secret=_SEAL.close(secret),
    )
    return rule, secret


@transaction.atomic
def rule_update(
    *, user: User, rule: BuildRule, name: str | None = None, wish: RuleWish | None = None, enabled: bool | None = None
) -> BuildRule:
    """Change it; whoever does is whose rights its builds have from then on. Raises as `rule_create`."""
    require_on(user, "builds.create", rule)
    given = {"name": name, "wish": wish, "enabled": enabled}
    if wish is not None:  # a rule whose key is gone can be switched off all the same
        ssh_keys_named(rule.team, wish.ssh_keys)
    name, wish = rule.name if name is None else name, RuleWish(**rule.wish) if wish is None else wish
    _check(name, wish)
    _require_pushes(user, rule.host, wish)
    rule.name, rule.wish, rule.created_by = name.strip(), asdict(wish), user
    rule.enabled = rule.enabled if enabled is None else enabled
    # The rest may have become another meanwhile, such as the secret.
    rule.save(update_fields=["created_by", *(field for field, value in given.items() if value is not None)])
    return rule


def rule_new_secret(*, user: User, rule: BuildRule) -> str:
    """Another secret; what the forge has so far holds no longer. Raises PermissionDenied.

    Whoever knows it can sign deliveries, so from then on its builds have the rights of who has made it.
    """
    require_on(user, "builds.create", rule)
    _require_pushes(user, rule.host, RuleWish(**rule.wish))
    secret = secrets.token_urlsafe(32)
    rule.sealed_secret, rule.created_by = _SEAL.close(secret), user
    rule.save(update_fields=["sealed_secret", "created_by"])
    return secret


def rule_delete(*, user: User, rule: BuildRule) -> None:
    """With its deliveries; builds stay. Raises PermissionDenied."""
    require_on(user, "builds.create", rule)
    rule.delete()


def _check(name: str, wish: RuleWish) -> None:
    errors: dict[str, list[str]] = {}
    if not 1 <= len(name.strip()) <= 100:
        errors["name"] = ["Give a name of 1 to 100 characters."]
    if (problem := git_problem(wish.repository)) is not None:
        errors["repository"] = [problem]
    elif "#" in wish.repository or "?" in wish.repository:
        errors["repository"] = ["Give the address alone: branches and the folder have fields of their own."]
    for field_name in ("branches", "tags"):
        patterns = getattr(wish, field_name)
        if len(patterns) > _PATTERNS or not all(0 < len(one) <= 200 and one.count("*") <= 5 for one in patterns):
            errors[field_name] = [f"Give at most {_PATTERNS} patterns, such as main or release/*."]
    if not wish.branches and not wish.tags:
        errors["branches"] = ["Name a branch or a tag that is to be built, such as main, or * for all."]
    if not wish.names or len(wish.names) > _NAMES:
        errors["names"] = [f"Give 1 to {_NAMES} names, such as registry.example.com/app:{{branch}}."]
    for one in wish.names:
        unknown = set(_WORDS.findall(one)) - _KNOWN
        if unknown:
            errors["names"] = [f"{{{min(unknown)}}} is unknown: there are {{branch}}, {{tag}}, {{sha}} and {{sha7}}."]
    try:
        _examples(wish)
    except InvalidArgument as error:
        for key, sentences in error.detail.get("fields", {}).items():
            errors.setdefault({"tags": "names", "git": "repository"}.get(key, key), sentences)
    if errors:
        raise InvalidArgument("the rule can't be stored: correct the marked fields", {"fields": errors})


def _examples(wish: RuleWish) -> list[tuple[BuildRequest, tuple[str, ...]]]:
    """What would be built for a branch, and for a tag, with its names. Raises InvalidArgument with the fields."""
    pushes = [Push("x", "push", ref=ref, commit="0" * 40) for ref in ("refs/heads/main", "refs/tags/v1")]
    requests = [_request(wish, push, names_of(wish, push)) for push in pushes]
    return [(request, request_check(request, has_context=False)) for request in requests]


def _require_pushes(user: User, host: Host, wish: RuleWish) -> None:
    """A token that may build and not push must not leave a rule that does. Raises PermissionDenied."""
    for request, names in _examples(wish):
        require_pushes(user, host, names, request)


def names_of(wish: RuleWish, push: Push) -> list[str]:
    """The image's names for a push: templates whose words it has no value for are left out."""
    values = {"branch": _fit(push.branch), "tag": _fit(push.tag), "sha": push.commit, "sha7": push.commit[:7]}
    found = []
    for template in wish.names:
        if all(values.get(word) for word in _WORDS.findall(template)):
            found.append(_WORDS.sub(lambda match: values[match[1]], template))
    return list(dict.fromkeys(found))


def _fit(text: str) -> str:
    """As a tag may be: feature/x becomes feature-x."""
    return _ODD.sub("-", text).lstrip(".-")[:128]


def _request(wish: RuleWish, push: Push, names: Sequence[str]) -> BuildRequest:
    return BuildRequest(
        git=f"{wish.repository}#{push.commit}" + (f":{wish.directory}" if wish.directory else ""),
        tags=names,
        dockerfile=wish.dockerfile,
        target=wish.target,
        build_args=wish.build_args,
        push=wish.push,
        ssh_keys=wish.ssh_keys,
    )


def rule_secret(rule: BuildRule) -> str:
    """Raises DataCorrupt with another site's secret."""
    return _SEAL.open(rule.sealed_secret)


# -- deliveries


def delivery_take(*, rule: BuildRule, headers: Mapping[str, str], body: bytes) -> BuildDelivery | None:
    """Take what a forge sends; None for a ping. The same delivery or signed body again gives what came of it first.

    Raises PermissionDenied for one that is not signed with the rule's secret, InvalidArgument for what can't be read.
    """
    try:
        digest = forges.check_signature(headers, body, rule_secret(rule))
        push = forges.read(headers, body)
    except (PermissionDenied, InvalidArgument) as error:
        BuildRule.objects.filter(pk=rule.pk).update(refused_at=timezone.now(), refusal=error.message[:300])
        raise
    if push.kind == "ping":
        return None
    # A delivery is noted with its build or not at all: what is noted already is not built when the forge tries again.
    with transaction.atomic():
        BuildRule.objects.select_for_update(of=("self",)).filter(pk=rule.pk).first()  # two that come at once are one
        if (before := _built_of(rule, digest)) is not None:
            return before
        try:
            with transaction.atomic():
                delivery = BuildDelivery.objects.create(
                    rule=rule, delivery_id=push.delivery, event=push.kind, ref=push.ref, commit=push.commit,
                    sender=push.sender, outcome=IGNORED, body_sha256=digest,
                )  # fmt: skip
        except IntegrityError:
            return BuildDelivery.objects.select_related("rule", "build").get(rule=rule, delivery_id=push.delivery)
        _act(delivery, push, rule.created_by)
        _forget_old(rule)
    return delivery


def _built_of(rule: BuildRule, digest: str) -> BuildDelivery | None:
    """The delivery of this signed body that was built lately; one that was not may come again."""
    if not digest:
        return None
    lately = BuildDelivery.objects.filter(rule=rule, received_at__gt=timezone.now() - SAME_BODY, outcome=BUILT)
    return lately.filter(body_sha256=digest).select_related("rule", "build").first()


def delivery_again(*, user: User, delivery: BuildDelivery) -> Build:
    """Build once more what a delivery told, by the rule as it is now, with the rights of who asks.

    Raises PermissionDenied, InvalidArgument where the rule builds nothing for it.
    """
    push = Push(delivery.delivery_id, "push", ref=delivery.ref, commit=delivery.commit, sender=delivery.sender)
    require_on(user, "builds.create", delivery.rule)
    why = _why_not(RuleWish(**delivery.rule.wish), push, is_known=True)
    if why:
        raise InvalidArgument(f"the rule builds nothing for this delivery: {why}")
    return _build(delivery, push, user)


def _act(delivery: BuildDelivery, push: Push, user: User | None) -> None:
    rule = delivery.rule
    why = "the rule is switched off" if not rule.enabled else _why_not(RuleWish(**rule.wish), push)
    if why:
        delivery.reason = why[:500]
        delivery.save(update_fields=["reason"])
        return
    try:
        if user is None:
            raise PermissionDenied("who made the rule is gone: save it once more, and it is yours")
        _build(delivery, push, user)
    except EngineError as error:
        delivery.outcome, delivery.reason = REFUSED, error.message[:500]
        delivery.save(update_fields=["outcome", "reason"])


def _why_not(wish: RuleWish, push: Push, *, is_known: bool = False) -> str:
    if push.kind != "push":
        return f"the event {push.kind or 'without a name'} builds nothing"
    if not is_known and forges.normalized(wish.repository) not in push.repositories:
        return "it is about another repository than the rule's"
    if not push.commit:
        return "the branch or tag was removed" if push.ref else "it names no commit"
    patterns, name = (wish.branches, push.branch) if push.branch else (wish.tags, push.tag)
    if not any(fnmatchcase(name, pattern) for pattern in patterns):
        return f"{push.ref or 'the ref'} fits none of the rule's patterns"
    return "" if names_of(wish, push) else "none of the rule's names is for it"


def _build(delivery: BuildDelivery, push: Push, user: User) -> Build:
    rule, wish = delivery.rule, RuleWish(**delivery.rule.wish)
    trigger = {
        "kind": "webhook", "name": rule.name, "rule": str(rule.pk), "ref": push.ref, "commit": push.commit,
        "sender": push.sender,
    }  # fmt: skip
    build = build_begin(user=user, host=rule.host, request=_request(wish, push, names_of(wish, push)), trigger=trigger)
    delivery.outcome, delivery.reason, delivery.build = BUILT, "", build
    delivery.save(update_fields=["outcome", "reason", "build"])
    return build


def _forget_old(rule: BuildRule) -> None:
    old = (
        BuildDelivery.objects.filter(rule=rule).order_by("-received_at").values_list("pk", flat=True)[DELIVERIES_KEPT:]
    )
    BuildDelivery.objects.filter(pk__in=list(old)).delete()
