"""The life of a standard bundle (OCI runtime specification 1.2), and the command line that others drive it by.

    command_line   the words, their options, exit codes and the log     verbs: one function per command
    bundle         config.json, typed;   feasible: what this kernel can't do is refused before anything exists
    state          <root>/<id>/state.json, and what a container's status is
    creation       create, in the caller     init: create and start, in the container's first process
    starting       start, in the caller      becoming: the last steps before a program, of create and exec alike
    joining        exec                      ending: kill, delete       shield: /proc/self/exe
    namespaces     filesystem mount_options devices console attributes hooks net_devices: each a group of fields
    groups/        cgroupsPath and resources, for every version of control groups

The engine's own containers do not come here: the launcher forks them (engine/runtime/README.md). What both
need is shared: kernel, mounts, privileges, program, seccomp.
"""
