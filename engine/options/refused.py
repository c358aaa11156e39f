"""What `docker run` takes and Portside doesn't, each with the reason and what to do instead.

Names are those of the flags, in REST with `_` for `-`. docs/options.md has the table of everything.
"""

from __future__ import annotations

_WINDOWS = "It is for Windows, and hosts of Portside run Linux: leave it out"

REFUSED = {
    "cgroup_parent": "Each container is in the control group of its host, where limits are found again: "
    "give it limits of its own instead",
    "cpu_count": f"{_WINDOWS}; cpus is the same",
    "cpu_percent": f"{_WINDOWS}; cpus is the same",
    "gpus": "No driver of GPUs is supported: give the device itself by devices, such as /dev/dri/renderD128",
    "io_maxbandwidth": f"{_WINDOWS}; device_read_bps and device_write_bps are like it",
    "io_maxiops": f"{_WINDOWS}; device_read_iops and device_write_iops are like it",
    "isolation": _WINDOWS,
    "link_local_ip": "A network lets a container use the addresses that it gave it and no others: choose one by ip or "
    "ip6; where there is IPv6 it has a link-local one as well, which follows from mac_address",
    "use_api_socket": "A container gets no access to the host's engine: give it an API token of its own by env",
}
"""Name → sentence, without its full stop."""


def sentence(name: str) -> str | None:
    """Why an option isn't taken; None for one that is, or that nobody knows. Any way to write the name will do."""
    plain = name.strip("-").replace("-", "_").lower()
    told = REFUSED.get(plain)
    return None if told is None else f"{told}."
