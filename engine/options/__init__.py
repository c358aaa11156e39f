"""The options of `docker run` as pure words: read, checked, and judged by what they open or close.

Engine and site use the same code, so that a request which the site accepts is not refused by the host for its form.
No I/O: whether this machine has a device, a kernel feature or a runtime is the engine's own question.

wishes         the fields that a container's request has (structural type)
capabilities   names → the set that a container keeps
security       --security-opt
seccomp        a profile in Docker's form or the specification's → the specification's
devices        --device, --device-cgroup-rule, throttles
values         ulimits, tmpfs, sysctls, hosts, processors
modes          which namespaces are its own, the host's, another container's
ports          --expose and what --publish-all publishes
variables      files of variables and of labels
log_options    how much of a log is kept, and what is shown before its lines
expressions    regular expressions that nobody can keep busy with
refused        what isn't taken, and what to do instead
healthcheck    what a request and an image ask for, merged
checking       every field of a request, with a sentence for each that can't work
detach_keys    --detach-keys, found in what is typed
loosening      what a request loosens and tightens, in words; which of it needs a right
"""
