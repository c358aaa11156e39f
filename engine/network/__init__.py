"""The host's networks: a bridge, an address for each container, published ports; over netlink, no programs."""
