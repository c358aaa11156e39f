"""Side-by-side benchmarks: Portside beside Debian's docker.io and podman, in one run on one machine."""
