"""What to type so that the docker command speaks to a host by this site."""

from __future__ import annotations

import re
import shlex
from urllib.parse import quote

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian and many others keep those that the machine trusts: with a file of them the client speaks TLS."""
HEADERS = '{"HttpHeaders": {"Authorization": "Bearer TOKEN"}}'
"""In the client's config.json, with a token from the settings."""


def context_line(address: str, host_name: str, *, is_secure: bool) -> str:
    """`docker context create …` for the host of this name at the site's `address` (host:port, or a host)."""
    port = "" if re.search(r":\d+$", address) else (":443" if is_secure else ":80")
    reach = f"host=tcp://{address}{port}/hosts/{quote(host_name, safe='')}"
    reach += f",ca={CERTIFICATES}" if is_secure else ""
    name = re.sub(r"[^a-zA-Z0-9_.+-]+", "-", host_name).strip("-.+_") or "host"
    return f"docker context create portside-{name} --docker {shlex.quote(reach)}"
