"""How a certificate looks in REST and pages."""

from __future__ import annotations

from typing import Any

from webui.accounts.representation import time_as_json
from webui.certificates.models import ClientCertificate


def certificate_as_json(found: ClientCertificate) -> dict[str, Any]:
    return {
        "id": str(found.pk),
        "name": found.name,
        "fingerprint": found.fingerprint,
        "created_at": time_as_json(found.created_at),
        "expires_at": time_as_json(found.expires_at),
        "last_used_at": time_as_json(found.last_used_at),
    }
