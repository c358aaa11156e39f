"""Networks on a wire of the host's: macvlan and ipvlan devices lie on a parent there, and go into a container.

What they carry passes neither a bridge of ours nor our firewall: it is the wire's. A parent `eth0.100` that is missing
is made, as VLAN 100 of eth0, marked as ours, and removed with the network.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from typing import NoReturn

from engine.errors import Conflict, EngineError, InvalidArgument, Unavailable, Unsupported
from engine.network import rtnetlink as rt
from engine.network.lans import Lan, Member
from engine.network.netlink import NETLINK_ROUTE, Message, Netlink, NetlinkError
from engine.options.networks import IPVLAN

_LAST_VLAN = 4094


class Parents:
    """For one home, all of whose devices begin with `devices`."""

    def __init__(self, devices: str) -> None:
        self._devices = devices

    def ensure(self, lan: Lan) -> bool:
        """Make sure that containers can join, by making a device for none; True if the parent had to be made.

        Raises InvalidArgument, Conflict, Unsupported with the field `parent`: no such device, one that is used
        otherwise, a kernel without such devices.
        """
        with Netlink(NETLINK_ROUTE) as netlink:
            made = self._make_vlan(netlink, lan)
            try:
                probe = f"{self._devices}p{lan.number}"
                _forget(netlink, probe)
                netlink.send([self._device(netlink, lan, probe)])
                _forget(netlink, probe)
            except NetlinkError as error:
                if made:
                    _forget(netlink, str(lan.spec.parent))
                _explain(error, lan)
        return made

    def plug(self, netlink: Netlink, member: Member, namespace: int) -> None:
        """Put the container's interface into `namespace`, down. Raises as `ensure`, and Conflict for a name in use."""
        self._make_vlan(netlink, member.lan)
        mac = None if member.lan.spec.driver == IPVLAN else member.mac
        try:
            netlink.send([self._device(netlink, member.lan, member.interface, mac, namespace)])
        except NetlinkError as error:
            if error.errno == errno.EEXIST:
                raise Conflict(
                    f"The container has made an interface {member.interface} of its own; remove that inside, or "
                    "restart the container, and try again"
                ) from None
            _explain(error, member.lan)

    def delete(self, lan: Lan) -> None:
        """Remove the parent if it was made by `ensure`."""
        name = str(lan.spec.parent)
        with Netlink(NETLINK_ROUTE) as netlink:
            found = _find(netlink, name)
            if found is not None and found.alias == self._mark():
                _forget(netlink, name)

    def delete_others(self, lans: Collection[Lan]) -> None:
        """Remove all parents that were made by `ensure`, but for `lans`."""
        kept = {lan.spec.parent for lan in lans}
        with Netlink(NETLINK_ROUTE) as netlink:
            for link in rt.links(netlink):
                if link.alias == self._mark() and link.name not in kept:
                    _forget(netlink, link.name)

    def _device(
        self, netlink: Netlink, lan: Lan, name: str, mac: str | None = None, namespace: int | None = None
    ) -> Message:
        parent = self._parent(netlink, lan)
        kind, mode = lan.spec.driver, str(lan.spec.mode)
        return rt.on_parent(kind, mode, name, parent.index, mtu=lan.spec.mtu, mac=mac, namespace=namespace)

    def _parent(self, netlink: Netlink, lan: Lan) -> rt.Link:
        name = str(lan.spec.parent)
        found = _find(netlink, name)
        if found is None:
            raise Unavailable(
                f"Network {lan.name} is on the wire of {name}, and this host has no such device (any more): bring it "
                "back, or make the network anew on another",
                {"field": "parent"},
            )
        if found.is_loopback or name.startswith(self._devices):
            raise InvalidArgument(f"{name} leads nowhere outside: choose a device of a wire", {"field": "parent"})
        return found

    def _make_vlan(self, netlink: Netlink, lan: Lan) -> bool:
        """Make a missing parent whose name says which VLAN of which device it is; True if it did."""
        name = str(lan.spec.parent)
        base, dot, number = name.rpartition(".")
        if _find(netlink, name) is not None or not dot or not number.isdigit():
            return False
        under = _find(netlink, base)
        if under is None:
            return False
        if not 1 <= int(number) <= _LAST_VLAN:
            raise InvalidArgument(f"{name}: VLANs go from 1 to {_LAST_VLAN}", {"field": "parent"})
        try:
            netlink.send([rt.vlan(name, under.index, int(number), self._mark())])
        except NetlinkError as error:
            _explain(error, lan, "VLANs")
        return True

    def _mark(self) -> str:
        return f"portside {self._devices}"


def _find(netlink: Netlink, name: str) -> rt.Link | None:
    try:
        return rt.link(netlink, name)
    except NetlinkError as error:
        if error.errno != errno.ENODEV:
            raise
        return None


def _forget(netlink: Netlink, name: str) -> None:
    if _find(netlink, name) is not None:
        netlink.send([rt.link_delete(name)])


def _explain(error: NetlinkError, lan: Lan, kind: str = "") -> NoReturn:
    kind = kind or lan.spec.driver
    parent, field = lan.spec.parent, {"field": "parent"}
    reason = f"{error.strerror} ({errno.errorcode.get(error.errno or 0, error.errno)})"
    found: EngineError
    if error.errno == errno.EBUSY:
        found = Conflict(
            f"{parent} is used otherwise, as a bridge's port or for another kind of device than {kind} (no parent "
            f"has both, macvlan and ipvlan): {reason}; choose another parent, or the other driver",
            field,
        )
    elif error.errno in (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPROTONOSUPPORT):
        found = Unsupported(f"This host's kernel has no {kind}: {reason}; load its module, or choose a bridge", field)
    elif error.errno in (errno.EINVAL, errno.ERANGE):
        found = InvalidArgument(f"{kind} can't be made on {parent}: {reason}; choose another parent or MTU", field)
    else:
        raise error
    raise found from error
