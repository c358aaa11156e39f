"""Virtual machines with kernels and control groups that the developer's own machine may not have: `make test-v2`.

image    a disk of Debian's packages with two kernels, made once and kept in the tests' cache
boot     QEMU with that disk, thrown away afterwards; the project comes along as an archive
init.sh  process 1 of the machine: mounts, unpacks, runs the tests, tells how they ended

Not part of `make test`: making the disk takes minutes, and where the processor offers no virtual machines (as inside
of others) QEMU translates, ten times slower. `MACHINE_ARGS="--kernel 6.1 tests/engine/cgroups"` narrows it down,
`--shell COMMAND` does something else there.
"""
