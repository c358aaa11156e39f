"""The same words of `docker run` to dockerd and to us: what each container sees is the same, but for what is listed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.__main__ import parser
from engine.run_options import specification
from tests.support import images
from tests.support.dockerd import CannotStart, Docker, running_docker
from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]

IMAGE = "tiny:latest"
LOOK = r"""
status() { sed -n "s/^$1:[[:space:]]*//p" /proc/self/status | tr '\t' ' '; }
for key in Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Cpus_allowed_list; do
  echo "status.$key $(status $key)"
done
env | sed 's/^/env./; s/=/ /'
echo "hostname $(hostname)"; echo "domainname $(cat /proc/sys/kernel/domainname)"; echo "cwd $PWD"
echo "oom $(cat /proc/self/oom_score_adj)"; echo "links $(ls /sys/class/net | grep -c .)"
echo "limit.files $(ulimit -n) $(ulimit -H -n)"; echo "limit.core $(ulimit -c)"
for name in net/core/somaxconn net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range kernel/shmmax \
    kernel/msgmax fs/mqueue/msg_max; do echo "sysctl.$name $(cat /proc/sys/$name)"; done
for name in fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero; do
  echo "dev.$name $(stat -c '%F %a %u:%g %t,%T' /dev/$name 2>/dev/null)"
done
for path in / /proc /dev /dev/pts /dev/shm /dev/mqueue /sys /sys/fs/cgroup /run /scratch; do
  echo "mount.$path $(awk -v p=$path '$5==p { for(i=7;i<=NF;i++) if($i=="-") print $6, $(i+1), $(i+3) }' \
    /proc/self/mountinfo)"
done
for path in /proc/kcore /proc/keys /proc/timer_list /sys/firmware /proc/acpi; do
  [ -e $path ] && echo "masked.$path $([ -d $path ] && ls $path | grep -c . || head -c 1 $path | wc -c)"
done
for path in /proc/sys/kernel/domainname /proc/irq /proc/bus; do
  [ -e $path ] && echo "closed.$path $(touch -c $path 2>/dev/null && echo no || echo yes)"
done
for file in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes memory/memory.soft_limit_in_bytes \
    cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us pids/pids.max memory.max memory.swap.max memory.low \
    cpu.max cpu.weight pids.max; do
  [ -e /sys/fs/cgroup/$file ] && echo "group.$file $(cat /sys/fs/cgroup/$file)"
done
exit 0
"""
ALIKE = "--ulimit nofile=512:1024 --ulimit core=0"  # what daemons get from whoever started them
REQUESTS = {
    "plain": "",
    "process": "-u 1000:1000 --group-add 44 -w /srv -e A=1 -e B= --hostname web --domainname example.org "
    "--oom-score-adj 500 --sysctl net.core.somaxconn=77 --sysctl kernel.msgmax=4096 --shm-size 1m",
    "limits": "-m 64m --memory-swap 96m --memory-reservation 32m --cpu-shares 512 --cpu-quota 25000 --cpu-period 50000 "
    "--cpuset-cpus 0 --pids-limit 50",
    "walls": "--cap-drop ALL --cap-add NET_RAW --cap-add chown --read-only --tmpfs /run:size=1m,mode=700 "
    "--tmpfs /scratch --security-opt no-new-privileges --ipc none",
    "shared": "--pid host --uts host --ipc host --cap-drop ALL",
}
SAME_WALLS = {"walls": {"status.CapBnd", "status.CapEff", "status.CapPrm", "status.NoNewPrivs"}}
"""Where it was asked for by name, what else differs may not."""
DIFFERS = {
    "env.HOSTNAME": "each has an id of its own, which is its name",
    "hostname": "as above",
    "status.CapBnd": "eleven capabilities, Docker's fourteen less MKNOD, NET_RAW and AUDIT_WRITE",
    "status.CapEff": "as above",
    "status.CapPrm": "as above",
    "status.NoNewPrivs": "on unless it is switched off",
    "group.pids/pids.max": "2048 unless it is said otherwise",
    "group.pids.max": "as above",
    "group.cpu.weight": "runc 1.3 has another way from shares to weights",
    "sysctl.net/ipv4/ping_group_range": "a user namespace has no groups above 65535",
    "dev.mqueue": "the kernel gives it to nobody of a user namespace; all may use it",
    "mount./": "nodev: devices are in /dev alone",
    "mount./sys/fs/cgroup": "read-only",
    "masked./proc/acpi": "a newer list of what is masked",
    "shared: mount./dev/shm": "the host's, but without programs, devices and set-user-id",
}


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    directory = Path(tempfile.mkdtemp(prefix="portside-docker-"))
    try:
        with running_docker(directory) as running:
            running.load(images.tiny(), IMAGE, directory)
            running.call("run", "--rm", "--network", "none", IMAGE, "true")
            yield running
    except CannotStart as error:
        pytest.skip(f"there is no dockerd to compare with: {error}")


def seen(text: str) -> dict[str, str]:
    """Key → value of what `LOOK` prints; of mounts, the flags, the kind, and how large and open it is."""
    found = dict(line.partition(" ")[::2] for line in text.splitlines())
    for key, value in found.items():
        if key.startswith("mount.") and value:
            flags, kind, options = value.split(" ", 2)
            kept = [option for option in options.split(",") if re.match(r"(size|mode|ptmxmode)=", option)]

            found[key] = " ".join((",".join(sorted(flags.split(","))), kind, *sorted(kept)))
    return found


def test_containers_of_the_same_words_see_the_same(docker: Docker, tidy_host: Host) -> None:
    wrong: dict[str, tuple[str | None, str | None]] = {}
    for name, words in REQUESTS.items():
        given = [*ALIKE.split(), "--network", "none", *words.split()]
        theirs = seen(docker.call("run", "--rm", *given, IMAGE, "sh", "-c", LOOK))
        spec = specification(parser().parse_args(["run", *given, tidy_host.image, "sh", "-c", LOOK]))
        tidy_host.engine.container_create(spec)
        tidy_host.engine.container_start(spec.id)
        assert tidy_host.ended(spec.id, 120).exit_code == 0, tidy_host.log(spec.id)
        ours = seen(tidy_host.log(spec.id, "stdout").decode())
        assert len(ours) > 50
        allowed = DIFFERS.keys() - SAME_WALLS.get(name, set())
        for key in sorted((theirs.keys() | ours.keys()) - allowed):
            if theirs.get(key) != ours.get(key) and f"{name}: {key}" not in DIFFERS:
                wrong[f"{name}: {key}"] = (theirs.get(key), ours.get(key))
    assert not wrong, "\n".join(f"{key}: theirs {theirs!r}, ours {ours!r}" for key, (theirs, ours) in wrong.items())
