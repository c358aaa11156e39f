"""What containers and their host use, read from the kernel's own counters."""
