"""How a policy looks in REST and pages."""

from __future__ import annotations

from typing import Any

from webui.policies.models import TeamPolicy
from webui.policies.reading import FIELDS
from webui.policies.usage import usage_as_json


def policy_as_json(policy: TeamPolicy) -> dict[str, Any]:
    """All fields, and under `usage` how much of each quota is used."""
    return {name: getattr(policy, name) for name in FIELDS} | {"usage": usage_as_json(policy.team, policy)}
