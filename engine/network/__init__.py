"""The host's networks: a bridge, an address for each container, published ports; over netlink, no programs.

service      Network: what the rest of the engine uses; records first, then the kernel
pool         which subnet is ours, which address is whose
addressing   subnets and addresses of both families: which a network gets, and which a container
ports        which container publishes what; whether something else has the port
publication  where published ports lead, and what of them the kernel has
bridge       the bridge in the kernel, and what is plugged into it
named        networks of a name: made, joined, left, removed; lans their records, wires their bridges and cables
parents      macvlan and ipvlan: devices on a wire of the host's
fences       a second table, for frames: what comes out of a container of those is its own
walls        both families' firewall, of which each has its nftables table: translation, ports, what may come in
conntrack    forgetting the flows of a port that changed hands
resolver     a container's resolv.conf
namespace    a socket inside another network namespace
refusals     the kernel's errors in the engine's words
rtnetlink, nftables, netlink   the messages themselves
"""
