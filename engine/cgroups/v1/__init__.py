"""Control groups version 1: each controller has a tree of its own (Linux Documentation/admin-guide/cgroup-v1)."""
