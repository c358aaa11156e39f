"""The host's networks: a bridge, an address for each container, published ports; over netlink, no programs.

service      Network: what the rest of the engine uses; records first, then the kernel
pool         which subnet is ours, which address is whose
ports        which container publishes what; whether something else has the port
bridge       the bridge in the kernel, and what is plugged into it
firewall     our nftables table: address translation, published ports, what may come in
conntrack    forgetting the flows of a port that changed hands
resolver     a container's resolv.conf
namespace    a socket inside another network namespace
refusals     the kernel's errors in the engine's words
rtnetlink, nftables, netlink   the messages themselves
"""
