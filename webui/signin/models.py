"""What people sign in with besides a password, where they are signed in, and who else vouches for them.

No secret lies here as it is: a TOTP secret and a provider's are sealed (`webui.sealing`), recovery codes are digests,
of a passkey there is only the public key.
"""

from __future__ import annotations

import uuid

from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone

from webui.accounts.models import Team, User


class SignInSettings(models.Model):
    """What holds for all of the site; one row, or none as long as nothing was changed."""

    require_second_factor = models.BooleanField(default=False)

    def __str__(self) -> str:
        return "settings"


class Totp(models.Model):
    """A code generator (RFC 6238). It counts only once a first code has shown that it works."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="totp")
    sealed_secret = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)
    """The time step of the last code that was taken: no code is taken twice, and none from before it."""

    def __str__(self) -> str:
        return f"of {self.user_id}"


class RecoveryCode(models.Model):
    """One of those that are printed once, for the day when the other factors are lost."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="one_recovery_code")]

    def __str__(self) -> str:
        return f"of {self.user_id}"


class Passkey(models.Model):
    """A WebAuthn credential. `rp_id` is the site's name when it was made: browsers offer it only there."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=80)
    rp_id = models.CharField(max_length=253)
    credential_id = models.CharField(max_length=1400, unique=True)
    """base64url; at most 1023 bytes (WebAuthn, section 5.8.3)."""
    credential = models.BinaryField()
    """The attested credential data: AAGUID, id and public key."""
    sign_count = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name


class SignInSession(models.Model):
    """Where somebody is signed in. It goes with Django's session, and that goes with it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.OneToOneField(Session, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    device = models.CharField(max_length=300, blank=True)
    """The browser's own word, User-Agent."""
    address = models.CharField(max_length=45, blank=True)
    method = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-last_seen_at", "id"]

    def __str__(self) -> str:
        return f"of {self.user_id}"


class IdentityProvider(models.Model):
    """An OpenID Connect provider that vouches for people."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=40, unique=True)
    """Part of the address to which the provider sends people back."""
    name = models.CharField(max_length=80)
    issuer = models.URLField(max_length=300)
    client_id = models.CharField(max_length=300)
    sealed_secret = models.TextField(blank=True)
    scopes = models.CharField(max_length=300, default="openid profile email")
    groups_claim = models.CharField(max_length=80, default="groups")
    username_claim = models.CharField(max_length=80, default="preferred_username")
    is_enabled = models.BooleanField(default=True)
    creates_users = models.BooleanField(default=True)
    only_mapped = models.BooleanField(default=False)
    """Whether only people in a mapped group are let in."""
    links_by_email = models.BooleanField(default=False)
    """Whether a verified e-mail address joins the user whom an administrator has made for it."""
    asks_second_factor = models.BooleanField(default=False)
    """Whether the provider's sign-in counts as two factors."""
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class GroupMapping(models.Model):
    """Who is in the provider's `group` has `role` in `team`; without a team he is an administrator."""

    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="mappings")
    group = models.CharField(max_length=200)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, null=True, related_name="+")
    role = models.CharField(max_length=40)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["provider", "group", "team"], name="one_role_per_group_team")]

    def __str__(self) -> str:
        return f"{self.group}: {self.role}"


class Identity(models.Model):
    """A user as a provider knows him: `subject` is the provider's own, never changing name."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    provider = models.ForeignKey(IdentityProvider, on_delete=models.CASCADE, related_name="identities")
    subject = models.CharField(max_length=255)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    email = models.CharField(max_length=254, blank=True)
    made_administrator = models.BooleanField(default=False)
    """Whether the user is an administrator by this provider's groups alone."""
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [models.UniqueConstraint(fields=["provider", "subject"], name="one_identity_per_subject")]

    def __str__(self) -> str:
        return self.subject


class MappedMembership(models.Model):
    """A membership that came from a provider's groups, and goes with them; what people gave by hand stays."""

    identity = models.ForeignKey(Identity, on_delete=models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["identity", "team"], name="one_mapped_membership")]

    def __str__(self) -> str:
        return f"{self.role} in {self.team_id}"
