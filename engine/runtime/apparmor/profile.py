"""`portside-default`: what no container may do to the host's kernel, whatever else it was given.

At least as tight as `docker-default` (moby, profiles/apparmor/template.go); tighter in that nothing is unmounted, no
release agent is named, /sys has no files of its own that can be written, of /proc/sys no more than the settings
of shared memory, and nothing is taken from the host's abstractions/base.

A path is the one that the container sees: /proc/self is a link, so its files are /proc/PID's. In a pattern `*` stops
at a slash, `[^x]` is any one character but x, and a rule that begins with `deny` wins over all others (apparmor.d(5)).
"""

from __future__ import annotations

import os
import re

from engine.options.security import OWN_APPARMOR

NAME = OWN_APPARMOR
REQUIRED_ANNOTATION = "portside.apparmor-required"
"""In a bundle whose profile was asked for by name: nothing runs without it."""
OWN_LABELS = ("/proc/self/attr/apparmor/current", "/proc/self/attr/current")  # the second may be another module's
_NAMED = re.compile(r"[\w./:+-]+")
_ABI = "/etc/apparmor.d/abi/3.0"
_HEADER = "abi <abi/3.0>,\n\n"
_RULES = """\
profile {name} flags=(attach_disconnected,mediate_deleted) {{
  # What other guards judge: capabilities, the filter, namespaces, modes of files.
  capability,
  file,
  network,
  unix,

  # Signals come from the host and from one another, and go nowhere else. Ubuntu gives runc and crun labels.
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (receive) peer=crun,
{own}  signal (send, receive) peer={name},
  ptrace (read, readby, trace, tracedby) peer={name},

  # Masks and read-only paths are mounts: they stay. (Without a rule, pivot_root and other profiles are denied as well.)
  deny mount,
  deny remount,
  deny umount,

  # /proc: the directories of processes, and of the settings those that a namespace of the container's own has.
  deny /proc/* w,
  deny /proc/{{[^0-9s]*,s[^y]*,sy[^s]*,sys[^/]*}}/** w,
  deny /proc/sys/{{[^k],k[^e],ke[^r],ker[^n],kern[^e],kerne[^l],kernel[^/]}}** w,
  deny /proc/sys/kernel/{{[^s],s[^h],sh[^m]}}** w,
  deny /proc/{{kcore,sysrq-trigger}} rwklx,

  # /sys: the control groups, which are mounted read-only unless asked for otherwise, and nothing else.
  deny /sys/{{[^f],f[^s],fs[^/],fs/[^c],fs/c[^g],fs/cg[^r]}}** wklx,
  deny /sys/fs/cgroup/{{,**/}}release_agent wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}}
"""


def text() -> str:
    """The profile for this host: with the meaning that rules had in AppArmor 3.0, where the host can say so.

    Who loads it may be confined itself, and its signals come from the profile that it lives in.
    """
    own = _own_profile()
    signals = f"  signal (receive) peer={own},\n" if own else ""
    return (_HEADER if os.path.exists(_ABI) else "") + _RULES.format(name=NAME, own=signals)


def _own_profile() -> str:
    """The name of this process's own profile; empty for none."""
    for path in OWN_LABELS:
        try:
            with open(path) as file:
                name = file.read().rstrip("\0\n").rpartition(" (")[0]
        except OSError:
            continue
        return name if _NAMED.fullmatch(name) and name != NAME else ""
    return ""
