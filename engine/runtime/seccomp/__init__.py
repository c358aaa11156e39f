"""The default list of system calls, and a compiler from the specification's seccomp object to a kernel filter."""
