from __future__ import annotations

import pytest

from engine.errors import InvalidArgument
from engine.network.ports import PortSpec, check


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (PortSpec(0, 80), "out of range"),
        (PortSpec(80, 70000), "out of range"),
        (PortSpec(80, 90, host_last=89), "ends with its greatest"),
        (PortSpec(80, None, host_last=89), "from one port to another"),
        (PortSpec(80, 1000, host_last=3000), "at most 1000"),
        (PortSpec(80, 80, "icmp"), "tcp, udp or sctp"),
        (PortSpec(80, 80, "tcp", "localhost"), "Give an address of the host"),
        (PortSpec(80, 80, "tcp", "::1"), "takes no answers"),
        (PortSpec(80, 80, "tcp", "fe80::1"), "another host on each"),
        (PortSpec(80, 80, "tcp", "224.0.0.1"), "multicast"),
    ],
)
def test_what_can_never_be_published_is_refused_with_the_reason(spec: PortSpec, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        check(spec)
