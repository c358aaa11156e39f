"""What options of `docker run` come to, as seen from inside of the container.

Privileged containers and all capabilities at once are not among them: where it was recorded,
dockerd may not give them.
"""

from __future__ import annotations

from tests.dockerapi.scene import OUR_WORDS, Scene, Step


def sees(script: str, *options: str) -> Step:
    """What a shell in a new container finds; no network, unless the options name one."""
    network = () if "--network" in options else ("--network", "none")
    return ("run", "--rm", *network, *options, "cmp/tiny", "sh", "-c", script)


WHO = "id; grep Groups /proc/self/status; echo $HOME"

RIGHTS = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status"
NO_NEW = ("NoNewPrivs:\t1", "NoNewPrivs:\t0", "new privileges are off until they are asked for")
FEWER = "mknod, raw sockets and audit records are not given: ids are the container's own, ping has its own sockets"

LIMITS = (
    "cd /sys/fs/cgroup; for f in memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes "
    "memory/memory.soft_limit_in_bytes memory/memory.swappiness cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us "
    "cpu/cpu.shares pids/pids.max; do echo ${f##*/} $(cat $f); done; head -n 1 memory/memory.oom_control; nproc"
)
PIDS = ("pids.max 2048", "pids.max max", "a container without a limit has 2048 processes at most")

VISIBLE = (
    "cut -d' ' -f2 /proc/mounts | grep -vE '^/(proc|sys)/' | sort; ls /dev; "
    "cat /proc/keys /proc/timer_list 2>&1 | wc -c; ls /sys/firmware | wc -l; touch /proc/sys/kernel/domainname"
)
MOUNTED = "for d in /t /u; do grep \" $d \" /proc/mounts; stat -c '%u:%g %a' $d; done"
OWNER = ",uid=[0-9]+,gid=[0-9]+"
"""What a mount in a user namespace of its own shows."""

OPTIONS: dict[str, Scene] = {
    "who somebody is": Scene(
        (
            sees(WHO),
            sees(WHO, "-u", "app"),
            sees(WHO, "-u", "1000:50"),
            sees(WHO, "-u", "app:staff"),
            sees(WHO, "-u", "4711"),
            sees(WHO, "-u", "4711:4712", "--group-add", "staff", "--group-add", "4713"),
            sees(WHO, "-u", "app", "--group-add", "4712"),
            sees(WHO, "-u", "nosuch"),
        ),
        differs={7: OUR_WORDS},
    ),
    "capabilities": Scene(
        (
            sees(RIGHTS),
            sees(RIGHTS, "--cap-drop", "ALL"),
            sees(RIGHTS, "--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE", "--cap-add", "cap_chown"),
            sees(RIGHTS, "--cap-drop", "ALL", "--cap-add", "SYS_TIME", "-u", "app"),
            sees(RIGHTS, "--cap-drop", "ALL", "--security-opt", "seccomp=unconfined", "--security-opt",
                 "no-new-privileges"),
            sees("true", "--cap-add", "NONSENSE"),
        ),
        instead={
            0: (
                *((f"{set_}:\t00000000800405fb", f"{set_}:\t00000000a80425fb", FEWER) for set_ in ("CapPrm",
                "CapEff", "CapBnd")),
                NO_NEW,
            ),
            1: (NO_NEW,), 2: (NO_NEW,), 3: (NO_NEW,),
        },
        differs={5: OUR_WORDS},
    ),
    "settings of processes": Scene(
        (
            sees(
                "grep -E 'open files|processes|core|stack|locked' /proc/self/limits; cat /proc/self/oom_score_adj",
                "--ulimit", "nofile=1000:2000", "--ulimit", "nproc=50", "--ulimit", "core=0", "--ulimit", "stack=-1",
                "--ulimit", "memlock=65536", "--oom-score-adj", "500",
            ),
            sees(
                "cd /proc/sys; cat net/ipv4/ip_unprivileged_port_start kernel/msgmax fs/mqueue/msg_max "
                "kernel/shm_rmid_forced",
                "--sysctl", "net.ipv4.ip_unprivileged_port_start=80", "--sysctl", "kernel.msgmax=1000",
                "--sysctl", "fs.mqueue.msg_max=20", "--sysctl", "kernel.shm_rmid_forced=1",
            ),
            sees("cd /proc/sys/net/ipv4; cat ip_unprivileged_port_start ping_group_range /proc/self/oom_score_adj"),
            sees("true", "--oom-score-adj", "1001"),
            sees("for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait", "--pids-limit", "4"),
        ),
        instead={2: (("0\t65535", "0\t2147483647", "a container's groups end there"),)},
        differs={3: OUR_WORDS},
    ),
    "limits": Scene(
        (
            sees(LIMITS),
            sees(LIMITS, "-m", "64m", "--memory-swap", "96m", "--memory-reservation", "32m", "--pids-limit", "33"),
            sees(LIMITS, "-m", "64m", "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0", "--cpuset-mems",
                 "0"),
            sees(LIMITS, "--cpu-period", "50000", "--cpu-quota", "25000", "-m", "32m", "--memory-swap", "-1",
                 "--pids-limit", "-1"),
            sees(LIMITS, "-m", "64m", "--memory-swap", "64m", "--oom-kill-disable", "--memory-swappiness", "10"),
            sees("true", "-m", "1m"),
            sees("true", "--cpus", "1000"),
        ),
        instead={0: (PIDS,), 2: (PIDS,), 4: (PIDS,)},
        differs={5: OUR_WORDS, 6: OUR_WORDS},
        is_of_v1=True,
    ),
    "file systems": Scene(
        (
            sees(VISIBLE),
            sees(MOUNTED, "--tmpfs", "/t", "--tmpfs", "/u:size=1m,mode=1770,exec"),
            sees(MOUNTED, "--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0750", "--tmpfs", "/u:ro"),
            sees("grep ' /dev/shm ' /proc/mounts; df -k /dev/shm | tail -1", "--shm-size", "32m"),
            sees("grep ' /dev/shm ' /proc/mounts; touch /x /tmp/x /etc/hosts /dev/shm/x /run/x; echo $?",
                 "--read-only", "--tmpfs", "/run"),
            sees("pwd; stat -c '%u:%g %a' /new /new/dir; touch x", "-w", "/new/dir", "-u", "app"),
            sees("true", "-w", "/etc/passwd"),
            sees("stat -c '%u:%g %a' /v /home/app; touch /v/x /home/app/x; ls -A /home/app; "
                 "grep -c ' /v ' /proc/mounts",
                 "-v", "/v", "-v", "/home/app"),
        ),
        masked={1: OWNER, 2: OWNER, 3: OWNER, 4: OWNER},
        differs={6: OUR_WORDS},
    ),
    "names and addresses": Scene(
        (
            sees("hostname; hostname -f; grep -E 'me|other' /etc/hosts; echo $HOSTNAME; "
                 "cat /proc/sys/kernel/domainname",
                 "-h", "me", "--domainname", "cmp.example", "--add-host", "other:10.1.2.3",
                 "--add-host", "other6:fd00::7", "--add-host", "gate:host-gateway", "--network", "bridge"),
            sees("grep -vE '^(#|$)' /etc/resolv.conf | sort", "--dns", "10.9.9.9", "--dns", "10.9.9.8",
                 "--dns-search", "a.example", "--dns-search", "b.example", "--dns-option", "ndots:3", "--network",
                 "bridge"),
            sees("ip -o link | wc -l; hostname | wc -c"),
        ),
        masked={0: r"10\.\d+\.\d+\.\d+(?=\tme)"},
    ),
    "devices": Scene(
        (
            sees("stat -c '%t %T %F %a' /dev/nought; head -c 3 /dev/nought | wc -c; "
                 "echo x >/dev/nought && echo written",
                 "--device", "/dev/zero:/dev/nought"),
            sees("ls /dev/mem2; head -c 1 /dev/mem2; echo x >/dev/mem2", "--device", "/dev/kmsg:/dev/mem2:w"),
            sees("mknod /tmp/n c 1 7 && echo x >/tmp/n", "--device-cgroup-rule", "c 1:7 rwm"),
            sees("true", "--device", "/dev/nosuch"),
        ),
        code_differs={
            2: "without mknod and with ids of its own nobody makes devices, until --userns host asks for the host's",
            3: "the client takes dockerd's words for those about a program that is not there",
        },
    ),
}  # fmt: skip
