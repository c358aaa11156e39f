"""What containers and their host use, read from the kernel's own counters.

sampler      Sampler: all containers in one go, and the host
samples      the figures and their units
cgroup_v1, cgroup_v2, host   where they come from
files        reading the kernel's small files cheaply
"""
