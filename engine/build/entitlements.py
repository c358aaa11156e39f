"""Rights that a build has only if whoever asks for it may give them; the names are BuildKit's (util/entitlements)."""

NETWORK_HOST, INSECURE, DEVICE = "network.host", "security.insecure", "device"
ENTITLEMENTS = (NETWORK_HOST, INSECURE, DEVICE)
