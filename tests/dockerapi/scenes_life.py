"""What containers share with one another, how they begin and end, and what verbs with their options do to them."""

from __future__ import annotations

from tests.dockerapi.scene import OUR_WORDS, Scene
from tests.dockerapi.scenes_options import sees

NOTES = "for n in pid ipc uts net; do readlink /proc/self/ns/$n > /v/$n; done; exec sleep 1000"
SHARES = (
    "for n in pid ipc uts net; do "
    "[ $(readlink /proc/self/ns/$n) = $(cat /v/$n) ] && echo $n shared || echo $n own; done"
)
READY = ("sh", "-c", "until [ -e /ready ]; do sleep 0.02; done")
LINES = "for i in 1 2 3 4 5; do echo out $i; done; sleep 0.1; echo err >&2; exit 3"
CHANGES = (
    "mkdir /d; echo new > /d/new; ln -s new /d/link; rm /etc/group; echo more >> /etc/not-executable; mkdir /tmp/t; "
    "chmod 700 /home/app; chown app /d/new; mkfifo /d/f"
)
TREE = (
    "mkdir -p /s/in /t /u; echo file > /s/file; ln -s file /s/link; ln -s in /s/dirlink; ln -s /nowhere/abs /s/abs; "
    "ln /s/file /s/hard; ln -s ../../../../etc/out /up; chmod 640 /s/file; chown app:staff /s/file; "
    "touch /ready; exec sleep 1000"
)
IMAGE = (
    "{{.Comment}} {{.Author}} {{len .RootFS.Layers}} {{with .Config}}{{json .Cmd}} {{json .ExposedPorts}} {{.User}} "
    "{{.WorkingDir}} {{json .Labels}} {{json .Volumes}} {{json .Entrypoint}}{{end}}"
)
USAGE = "{{.Name}}|{{.CPUPerc}}|{{.MemUsage}}|{{.MemPerc}}|{{.NetIO}}|{{.BlockIO}}|{{.PIDs}}"
LIMITS = "{{with .HostConfig}}{{.Memory}} {{.MemorySwap}} {{.NanoCpus}} {{.PidsLimit}} {{.RestartPolicy}}{{end}}"
FOUND = (
    "cd /; find s t u up etc/out | sort | while read f; do echo $f $(stat -c '%F %a %u:%g' $f) $(readlink $f); done; "
    "cat /s/file /u/link"
)

LIFE: dict[str, Scene] = {
    "what containers share": Scene(
        (
            ("run", "-d", "--name", "cmp-a", "--network", "none", "--ipc", "shareable", "-h", "cmp-host", "-v",
             "cmp-ns:/v",
             "cmp/tiny", "sh", "-c", NOTES),
            ("exec", "cmp-a", "sh", "-c", "until [ -s /v/net ]; do sleep 0.02; done; echo x > /dev/shm/x"),
            sees(f"{SHARES}; ps -o args | grep -c '^sleep 1000'; [ $$ = 1 ] || echo not first", "-v", "cmp-ns:/v",
                 "--pid", "container:cmp-a"),
            sees(f"{SHARES}; cat /dev/shm/x", "-v", "cmp-ns:/v", "--ipc", "container:cmp-a"),
            sees(f"{SHARES}; hostname", "-v", "cmp-ns:/v", "--network", "container:cmp-a"),
            sees("ls -d /dev/shm; grep -c /dev/shm /proc/mounts; ls /dev/mqueue | wc -l", "--ipc", "none"),
            sees("[ $$ = 1 ] || echo not first; hostname | grep -c cmp-host", "--pid", "host", "--uts", "host",
                 "--ipc", "host"),
            ("run", "-d", "--name", "cmp-b", "--network", "none", "--ipc", "private", "cmp/tiny", "sleep", "1000"),
            sees("true", "--ipc", "container:cmp-b"),
            ("rm", "-f", "cmp-a", "cmp-b"),
            ("volume", "rm", "cmp-ns"),
        ),
        differs={8: OUR_WORDS},
    ),
    "how containers begin": Scene(
        (
            sees("env | sort; umask; pwd"),
            sees("env | sort", "-h", "me", "--env-file", "{contexts}/files/env", "-e", "B=over", "-e", "EMPTY=",
                 "-e", "CMP_UNSET"),
            ("run", "-d", "--name", "cmp-l", "--network", "none", "--label-file", "{contexts}/files/labels",
             "--label", "b=over", "cmp/tiny"),
            ("inspect", "-f", "{{json .Config.Labels}} {{json .Config.Cmd}} {{json .Config.Entrypoint}}", "cmp-l"),
            ("rm", "-f", "cmp-l"),
            ("run", "--rm", "--network", "none", "--entrypoint", "echo", "cmp/tiny"),
            ("run", "--rm", "--network", "none", "--entrypoint", "echo", "cmp/tiny", "a b", "c"),
            ("run", "--rm", "--network", "none", "--entrypoint", "", "cmp/tiny", "echo", "d"),
            ("run", "--rm", "-i", "--network", "none", "cmp/tiny"),
            sees("[ $$ = 1 ] || echo not first; (sleep 0.05 &); sleep 0.2; ps -o stat | grep -c Z", "--init"),
            ("run", "--rm", "-t", "--network", "none", "cmp/tiny", "sh", "-c",
             "tty; echo $TERM; [ -t 0 ] && [ -t 2 ] && echo yes"),
        ),
        stdin={8: b"echo by the image\n"},
    ),
    "how containers end": Scene(
        (
            ("run", "-d", "--name", "cmp-s", "--network", "none", "--stop-signal", "USR1", "--stop-timeout", "20",
             "cmp/tiny",
             "sh", "-c", "trap 'exit 7' USR1; touch /ready; while :; do sleep 0.02; done"),
            ("exec", "cmp-s", *READY),
            ("inspect", "-f", "{{.Config.StopSignal}} {{.Config.StopTimeout}}", "cmp-s"),
            ("stop", "cmp-s"),
            ("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}", "cmp-s"),
            ("restart", "-t", "5", "cmp-s"),
            ("kill", "-s", "SIGKILL", "cmp-s"),
            ("run", "-d", "--name", "cmp-d", "--network", "none", "--stop-timeout", "1", "cmp/tiny",
             "sh", "-c", "trap '' TERM; touch /ready; while :; do sleep 0.02; done"),
            ("exec", "cmp-d", *READY),
            ("stop", "cmp-d"),
            ("wait", "cmp-s", "cmp-d"),
            ("run", "--name", "cmp-o", "--network", "none", "-m", "16m", "--memory-swap", "16m", "cmp/tiny", "tail",
             "/dev/zero"),
            ("inspect", "-f", "{{.State.ExitCode}} {{.State.OOMKilled}}", "cmp-o"),
            ("rm", "cmp-s", "cmp-d", "cmp-o"),
        ),
    ),
    "what containers say": Scene(
        (
            ("run", "--name", "cmp-w", "--network", "none", "cmp/tiny", "sh", "-c", LINES),
            ("logs", "--tail", "2", "cmp-w"),
            ("logs", "--tail", "all", "-t", "cmp-w"),
            ("logs", "--since", "1h", "--tail", "1", "cmp-w"),
            ("logs", "--since", "2001-02-03T04:05:06Z", "-f", "cmp-w"),
            ("logs", "--until", "2001-02-03", "cmp-w"),
            ("logs", "--until", "1h", "cmp-w"),
            ("logs", "--tail", "nonsense", "cmp-w"),
            ("rm", "cmp-w"),
            ("run", "-d", "-i", "--name", "cmp-i", "--network", "none", "cmp/tiny",
             "sh", "-c", "read x; echo got $x; read y; echo $y >&2; exit 5"),
            ("attach", "cmp-i"),
            ("start", "-a", "-i", "cmp-i"),
            ("logs", "cmp-i"),
            ("rm", "cmp-i"),
            ("run", "--rm", "-a", "stderr", "--network", "none", "cmp/tiny", "sh", "-c", LINES),
        ),
        stdin={10: b"word\nmore\n", 11: b"again\nonce more\n"},
        differs={
            10: "who has no more to say leaves, and may have left before the answer",
            11: "who has no more to say leaves, and may have left before the answer",
        },
    ),
    "what is done to containers": Scene(
        (
            ("run", "-d", "--name", "cmp-p", "--network", "none", "-m", "64m", "--memory-swap", "64m", "cmp/tiny",
             "sh", "-c", "sleep 999 & exec sleep 1000"),
            ("top", "cmp-p"),
            ("top", "cmp-p", "-o", "pid,comm,args"),
            ("top", "cmp-p", "-eo", "pid,comm"),
            ("top", "cmp-p", "aux"),
            ("stats", "--no-stream", "--format", USAGE, "cmp-p"),
            ("rename", "cmp-p", "cmp-q"),
            ("pause", "cmp-q"),
            ("ps", "--filter", "status=paused", "--format", "{{.Names}} {{.State}} {{.Status}}"),
            ("stop", "-t", "0", "cmp-q"),
            ("start", "cmp-q"),
            ("update", "-m", "48m", "--memory-swap", "-1", "--cpus", "0.25", "--pids-limit", "44", "--restart",
             "on-failure:3", "cmp-q"),
            ("inspect", "-f", LIMITS, "cmp-q"),
            ("exec", "cmp-q", "sh", "-c",
             "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max 2>/dev/null || "
             "cat memory.max pids.max"),
            ("update", "--cpuset-cpus", "0", "cmp-q"),
            ("exec", "-u", "app:staff", "-w", "/home", "-e", "A=1", "cmp-q", "sh", "-c",
             "id; pwd; echo $A $HOME; nproc; tty"),
            ("exec", "-w", "/new", "cmp-q", "id"),
            ("exec", "-u", "nosuch", "cmp-q", "id"),
            ("exec", "-t", "cmp-q", "tty"),
            ("exec", "-d", "cmp-q", "touch", "/ready"),
            ("exec", "cmp-q", *READY),
            ("rm", "-f", "-v", "cmp-q"),
        ),
        masked={1: r"\b\d+\b", 2: r"\b\d+\b", 3: r"\b\d+\b", 5: r"\b[\d.]+(?=%|[KM]iB /)"},
        differs={
            4: "memory's share and addresses are not asked of hosts, and states stand in words",
            16: OUR_WORDS, 17: OUR_WORDS,
        },
    ),
    "what nobody asked for": Scene(
        (
            ("run", "-d", "-t", "--name", "cmp-a", "--network", "none", "-m", "64m", "--tmpfs", "/u", "--mount",
             "type=tmpfs,dst=/t,readonly", "cmp/tiny", "sleep", "1000"),
            ("inspect", "-f", LIMITS, "cmp-a"),
            ("inspect", "-f", "{{json .Mounts}}", "cmp-a"),
            ("exec", "cmp-a", "env"),
            ("exec", "-t", "cmp-a", "sh", "-c", "echo $TERM"),
            ("exec", "-e", "TERM=vt100", "cmp-a", "env"),
            ("update", "-m", "100m", "cmp-a"),
            ("inspect", "-f", LIMITS, "cmp-a"),
            ("update", "-m", "300m", "cmp-a"),
            ("rm", "-f", "cmp-a"),
            ("create", "--name", "cmp-b", "-v", "/anonymous", "--network", "none", "cmp/tiny", ""),
            ("inspect", "-f", "{{range .Mounts}}{{.Destination}} {{json .Mode}}{{end}}", "cmp-b"),
            ("start", "cmp-b"),
            ("inspect", "-f", "{{.State.ExitCode}} {{.State.Status}}", "cmp-b"),
            ("rm", "-v", "cmp-b"),
            ("run", "--rm", "--network", "none", "cmp/tiny", "", "word"),
        ),
        differs={8: OUR_WORDS, 12: OUR_WORDS, 15: OUR_WORDS},
    ),
    "images of containers": Scene(
        (
            ("run", "--name", "cmp-c", "--network", "none", "-e", "KEPT=1", "-l", "kept=1", "-w", "/w", "cmp/tiny",
             "sh", "-c", CHANGES),
            ("diff", "cmp-c"),
            ("commit", "-m", "a text", "-a", "somebody", "-c", 'CMD ["cat","/d/link"]', "-c", "ENV A=1 B=two", "-c",
             "EXPOSE 80/tcp",
             "-c", "USER app", "-c", "WORKDIR /x", "-c", "LABEL l=m", "-c", "VOLUME /vol", "-c",
             'ENTRYPOINT ["env"]', "cmp-c", "cmp/made:1"),
            ("image", "inspect", "-f", IMAGE, "cmp/made:1"),
            ("run", "--rm", "--network", "none", "cmp/made:1", "sh", "-c",
             "env | sort; pwd; id; cat /d/link; ls -d /vol"),
            ("commit", "cmp-c", "cmp/made:2"),
            ("image", "inspect", "-f", "{{json .Config.Cmd}} {{.Config.WorkingDir}} {{json .Config.Labels}}",
             "cmp/made:2"),
            ("export", "-o", "{work}/export.tar", "cmp-c"),
            ("import", "{work}/export.tar", "cmp/made:3"),
            ("run", "--rm", "--network", "none", "cmp/made:3", "/bin/sh", "-c",
             "cd /; ls; ls -la /d | cut -c1-10; ls /etc; stat -c '%a' /home/app; stat -c %u /d/new"),
            ("rm", "cmp-c"),
            ("rmi", "cmp/made:1", "cmp/made:2", "cmp/made:3"),
        ),
        unordered=frozenset({1}),
    ),
    "copies": Scene(
        (
            ("run", "-d", "--name", "cmp-y", "--network", "none", "cmp/tiny", "sh", "-c", TREE),
            ("exec", "cmp-y", *READY),
            ("cp", "cmp-y:/s", "{work}/s"),
            ("cp", "cmp-y:/s/link", "{work}/link"),
            ("cp", "-L", "cmp-y:/s/link", "{work}/followed"),
            ("cp", "{work}/s", "cmp-y:/t"),
            ("cp", "{work}/s/.", "cmp-y:/u"),
            ("cp", "{work}/link", "cmp-y:/u/link2"),
            ("cp", "{work}/followed", "cmp-y:/s/dirlink"),
            ("cp", "{work}/followed", "cmp-y:/s/link"),
            ("cp", "{work}/followed", "cmp-y:/up"),
            ("cp", "-a", "{work}/followed", "cmp-y:/u/archived"),
            ("cp", "{work}/followed", "cmp-y:/nowhere/x"),
            ("exec", "cmp-y", "sh", "-c", FOUND),
            ("stop", "-t", "0", "cmp-y"),
            ("cp", "cmp-y:/s/abs", "{work}/abs"),
            ("cp", "{work}/followed", "cmp-y:/atrest"),
            ("start", "cmp-y"),
            ("exec", "cmp-y", "cat", "/atrest"),
            ("rm", "-f", "cmp-y"),
        ),
        differs={12: OUR_WORDS},
    ),
}  # fmt: skip
