"""Control groups version 2: one tree for all controllers (Linux Documentation/admin-guide/cgroup-v2.rst)."""
