"""What people type, step by step: run against Portside, and once against a real dockerd, whose answers are kept.

A step that answers otherwise by intent has a reason in `differs`; then only the exit code is compared, or, where that
is meant, not even that (`code_differs`).

In words, {registry} is a registry's address, {work} a directory for files, {contexts} one with a folder for each of
`CONTEXTS`. Image cmp/tiny is there: busybox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.support.oci_layout import directory, member, tar_of

TREE = tar_of([directory("etc"), member("etc/name", b"cmp\n")])

CONTEXTS: dict[str, dict[str, str]] = {
    "whole": {
        "Dockerfile": "FROM cmp/tiny\nARG X=1\nLABEL cmp=1\nRUN echo said > /f && cat /f\nCOPY Dockerfile /D\n"
        'ENV A=$X\nWORKDIR /w\nCMD ["sh"]\n',
    },
    "stages": {
        "Dockerfile": "ARG BASE=cmp/tiny\nFROM ${BASE} AS first\nRUN echo first > /a\nFROM cmp/tiny\n"
        "COPY --from=first /a /b\nRUN cat /b\n",
    },
    "args": {"Dockerfile": "FROM cmp/tiny\nARG WHO=nobody\nRUN echo hello $WHO\n"},
    "fails": {"Dockerfile": "FROM cmp/tiny\nRUN echo before; exit 3\n"},
    "unknown": {"Dockerfile": "FROM cmp/tiny\nNOPE x\n"},
    "lacks": {"Dockerfile": "FROM cmp/tiny\nCOPY nothing /\n"},
    "elsewhere": {"docker/File": "FROM cmp/tiny\nRUN echo elsewhere\n"},
    "baseless": {"Dockerfile": "FROM {registry}/cmp/none:1\nRUN true\n"},
}

Step = tuple[str, ...]
OUR_WORDS = "the message says what to do next, in words of our own"


@dataclass(frozen=True, slots=True)
class Scene:
    """`stdin`: step number → what it reads. `differs`: step number → why only its exit code is Docker's."""

    steps: Sequence[Step]
    stdin: Mapping[int, bytes] = field(default_factory=dict)
    differs: Mapping[int, str] = field(default_factory=dict)
    code_differs: Mapping[int, str] = field(default_factory=dict)


SCENES: dict[str, Scene] = {
    "names of an image": Scene(
        (
            ("tag", "cmp/tiny", "cmp/other:1"),
            ("images", "cmp/other"),
            ("images", "--format", "{{.Repository}} {{.Tag}} {{.Size}}", "cmp/other"),
            ("images", "-q", "cmp/other"),
            ("images", "--digests", "cmp/other"),
            ("image", "ls", "--filter", "reference=cmp/o*:?"),
            ("images", "cmp/none"),
            ("images", "--filter", "dangling=perhaps"),
            ("images", "--filter", "nonsense=1"),
            ("tag", "cmp/other:1", "cmp/third"),
            ("rmi", "cmp/other:1", "cmp/third:latest"),
            ("images", "cmp/other"),
            ("rmi", "cmp/other:1"),
            ("rmi", "-f", "cmp/other:1"),
            ("tag", "cmp/none", "cmp/x"),
            ("tag", "cmp/tiny", "cmp/BAD"),
            ("image", "rm"),
        ),
        differs={7: "dockerd 20.10 writes it in another way than later ones", 8: "so is this"},
    ),
    "an image looked at": Scene(
        (
            ("image", "inspect", "-f", "{{.Id}} {{.Os}}/{{.Architecture}} {{json .Config.Cmd}}", "cmp/tiny"),
            ("image", "inspect", "-f", "{{json .RepoTags}} {{len .RootFS.Layers}} {{.RootFS.Type}}", "cmp/tiny"),
            ("inspect", "--type", "image", "-f", "{{.Size}}", "cmp/none"),
            ("image", "inspect", "cmp/none"),
            ("history", "--format", "{{.CreatedBy}}|{{.Comment}}", "cmp/tiny"),
            ("history", "-q", "--no-trunc", "cmp/tiny"),
            ("history", "cmp/none"),
        ),
        differs={
            2: "later engines than 20.10 say it in one sentence, as here",
            3: "later engines than 20.10 say it in one sentence, as here",
        },
    ),
    "an image of a tree": Scene(
        (
            ("import", "-c", 'CMD ["x"]', "-m", "a tree", "-", "cmp/imported:1"),
            ("image", "inspect", "-f", "{{.Comment}} {{json .Config.Cmd}} {{len .RootFS.Layers}}", "cmp/imported:1"),
            ("history", "--format", "{{.Comment}}", "cmp/imported:1"),
            ("import", "-", "cmp/BAD"),
            ("import", "-c", "RUN no", "-", "cmp/imported:2"),
            ("rmi", "cmp/imported:1"),
        ),
        stdin={0: TREE, 3: TREE, 4: TREE},
        differs={4: OUR_WORDS},
    ),
    "archives of images": Scene(
        (
            ("tag", "cmp/tiny", "cmp/saved:1"),
            ("tag", "cmp/tiny", "cmp/saved:2"),
            ("save", "-o", "{work}/saved.tar", "cmp/saved"),
            ("rmi", "cmp/saved:1", "cmp/saved:2"),
            ("load", "-i", "{work}/saved.tar"),
            ("image", "save", "-o", "{work}/one.tar", "cmp/saved:1"),
            ("rmi", "cmp/saved:1", "cmp/saved:2"),
            ("load", "-q", "-i", "{work}/one.tar"),
            ("rmi", "cmp/saved:1"),
            ("save", "-o", "{work}/none.tar", "cmp/none"),
            ("load",),
            ("load", "-i", "{work}/nowhere.tar"),
        ),
        stdin={10: b"no archive at all"},
        differs={9: "later engines than 20.10 name the tag that is meant, as here", 10: OUR_WORDS},
    ),
    "there and back": Scene(
        (
            ("tag", "cmp/tiny", "{registry}/cmp/pushed:1"),
            ("push", "{registry}/cmp/pushed:1"),
            ("push", "-q", "{registry}/cmp/pushed:1"),
            ("rmi", "{registry}/cmp/pushed:1"),
            ("pull", "{registry}/cmp/pushed:1"),
            ("pull", "{registry}/cmp/pushed:1"),
            ("pull", "-q", "{registry}/cmp/pushed:1"),
            ("image", "inspect", "-f", "{{json .RepoDigests}}", "{registry}/cmp/pushed:1"),
            ("rmi", "{registry}/cmp/pushed:1"),
            ("pull", "-a", "{registry}/cmp/pushed"),
            ("rmi", "{registry}/cmp/pushed:1"),
            ("pull", "{registry}/cmp/pushed:none"),
            ("push", "{registry}/cmp/none:1"),
            ("pull", "cmp/BAD"),
        ),
        differs={
            1: "how far a layer is told depends on the pace",
            4: "how far a layer is told depends on the pace",
            9: "how far a layer is told depends on the pace",
            11: OUR_WORDS,
        },
    ),
    "builds": Scene(
        (
            ("build", "-t", "cmp/built:1", "{contexts}/whole"),
            ("build", "-t", "cmp/built:2", "-t", "cmp/also:2", "{contexts}/whole"),
            ("build", "-q", "{contexts}/whole"),
            ("image", "inspect", "-f", "{{json .Config.Env}} {{json .Config.Labels}}", "cmp/also:2"),
            ("build", "{contexts}/stages"),
            ("build", "--target", "first", "{contexts}/stages"),
            ("build", "--build-arg", "WHO=you", "{contexts}/args"),
            ("build", "-f", "{contexts}/elsewhere/docker/File", "{contexts}/elsewhere"),
            ("build", "-t", "cmp/piped", "-"),
            ("build", "--label", "cmp=7", "-t", "cmp/labelled", "{contexts}/args"),
            ("image", "inspect", "-f", "{{index .Config.Labels \"cmp\"}}", "cmp/labelled"),
            ("build", "{contexts}/fails"),
            ("build", "-q", "{contexts}/fails"),
            ("build", "{contexts}/unknown"),
            ("build", "{contexts}/lacks"),
            ("build", "--target", "nowhere", "{contexts}/stages"),
            ("build", "-f", "{contexts}/whole/Nofile", "{contexts}/whole"),
            ("build", "-t", "cmp/BAD", "{contexts}/whole"),
            ("build", "{contexts}/baseless"),
            ("rmi", "cmp/built:1", "cmp/also:2"),
            ("rmi", "-f", "cmp/built:2", "cmp/piped", "cmp/labelled"),
        ),
        stdin={8: b"FROM cmp/tiny\nRUN echo piped\n"},
        differs={
            4: "an ARG above the first FROM is a step of its own line in both, its value in dockerd's alone",
            13: OUR_WORDS,
            14: OUR_WORDS,
            15: OUR_WORDS,
            18: OUR_WORDS,
            20: "dockerd has images between the steps to delete too",
        },
    ),
    "volumes": Scene(
        (
            ("volume", "create", "--label", "cmp=1", "cmp-data"),
            ("volume", "create", "cmp-data"),
            ("volume", "ls", "--filter", "label=cmp"),
            ("volume", "ls", "-q", "--filter", "name=cmp-d"),
            ("volume", "inspect", "-f", "{{.Name}} {{.Driver}} {{.Scope}} {{json .Labels}}", "cmp-data"),
            ("volume", "inspect", "cmp-none"),
            ("volume", "create", "--driver", "cmp-none", "cmp-more"),
            ("volume", "create", "a/b"),
            ("volume", "ls", "--filter", "nonsense=1"),
            ("volume", "rm", "cmp-data"),
            ("volume", "rm", "cmp-data"),
            ("volume", "rm", "-f", "cmp-data"),
            ("volume", "prune", "-f", "--filter", "label=cmp-nowhere"),
        ),
        differs={6: OUR_WORDS, 7: OUR_WORDS, 8: "dockerd 20.10 writes it in another way than later ones"},
    ),
    "networks": Scene(
        (
            ("network", "create", "--label", "cmp=1", "cmp-net"),
            ("network", "create", "cmp-net"),
            ("network", "ls", "--filter", "label=cmp"),
            ("network", "ls", "--filter", "name=^cmp-net$", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"),
            ("network", "ls", "--filter", "type=builtin", "--format", "{{.Name}} {{.Driver}} {{.Scope}}"),
            ("network", "inspect", "-f", "{{.Name}} {{.Driver}} {{.Internal}} {{json .Labels}}", "cmp-net"),
            (
                "network", "create", "--subnet", "10.213.7.0/24", "--gateway", "10.213.7.1", "--ip-range",
                "10.213.7.128/25", "--internal", "-o", "com.docker.network.driver.mtu=1400", "cmp-more",
            ),
            ("network", "inspect", "-f", "{{json .IPAM.Config}} {{.Internal}} {{json .Options}}", "cmp-more"),
            ("network", "create", "--subnet", "10.213.7.0/24", "cmp-third"),
            ("network", "create", "--driver", "cmp-none", "cmp-third"),
            ("network", "create", "host"),
            ("network", "inspect", "cmp-none"),
            ("network", "rm", "bridge"),
            ("network", "connect", "cmp-net", "cmp-none"),
            ("network", "connect", "cmp-none", "cmp-none"),
            ("network", "rm", "cmp-net", "cmp-more"),
            ("network", "rm", "cmp-net"),
            ("network", "prune", "-f", "--filter", "label=cmp-nowhere"),
        ),
        differs={8: OUR_WORDS, 9: OUR_WORDS, 14: "which of two that are missing is named first is nobody's business"},
    ),
    "contexts": Scene(
        (
            ("context", "create", "cmp", "--description", "a test", "--docker", "host=unix:///nowhere/cmp.sock"),
            ("context", "inspect", "-f", "{{.Name}} {{.Endpoints.docker.Host}}", "cmp"),
            ("context", "update", "cmp", "--description", "changed"),
            ("context", "export", "cmp", "{work}/cmp.context"),
            ("context", "rm", "cmp"),
            ("context", "import", "cmp", "{work}/cmp.context"),
            ("context", "rm", "cmp"),
            ("context", "rm", "cmp"),
        ),
    ),
    "a container that ends": Scene(
        (
            ("run", "--name", "cmp-one", "--label", "cmp=1", "cmp/tiny", "sh", "-c", "echo out; echo err >&2; exit 3"),
            ("ps", "-a", "--filter", "name=^cmp-one$", "--format", "{{.Names}} {{.Image}} {{.Command}} {{.State}}"),
            ("ps", "-a", "--filter", "label=cmp=1", "--format", "{{.Names}} {{.Status}}"),
            ("logs", "cmp-one"),
            ("wait", "cmp-one"),
            ("inspect", "-f", "{{.Name}} {{.State.Status}} {{.State.ExitCode}} {{json .Config.Cmd}}", "cmp-one"),
            ("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.NetworkMode}} {{.Path}}", "cmp-one"),
            ("start", "-a", "cmp-one"),
            ("exec", "cmp-one", "true"),
            ("rename", "cmp-one", "cmp-two"),
            ("rm", "cmp-one"),
            ("rm", "cmp-two"),
        ),
        differs={6: "later engines than 20.10 call the default network bridge, as here", 8: OUR_WORDS},
    ),
    "a log with details": Scene(
        (
            (
                *("run", "--name", "cmp-log", "--label", "tier=front app", "--label", "other=x", "-e", "A=b c&d"),
                *("-e", "B=2", "--log-opt", "labels=tier,none", "--log-opt", "env-regex=^(A|C)$"),
                *("--log-opt", "tag={{.Name}} of {{ .DaemonName }}", "--log-opt", "mode=non-blocking"),
                *("--log-opt", "max-buffer-size=1m", "cmp/tiny", "sh", "-c", "echo out; echo err >&2; printf half"),
            ),
            ("logs", "--details", "cmp-log"),
            ("logs", "cmp-log"),
            ("inspect", "-f", "{{json .HostConfig.LogConfig}}", "cmp-log"),
            ("rm", "cmp-log"),
            ("run", "--name", "cmp-log", "cmp/tiny", "echo", "out"),
            ("logs", "--details", "cmp-log"),
            ("rm", "cmp-log"),
            ("create", "--log-opt", "mode=never", "cmp/tiny"),
            ("create", "--log-opt", "max-buffer-size=1m", "cmp/tiny"),
            ("create", "--log-driver", "local", "--log-opt", "labels=a", "cmp/tiny"),
        ),
        differs={8: OUR_WORDS, 9: OUR_WORDS, 10: OUR_WORDS},
    ),
    "a container that goes on": Scene(
        (
            ("run", "-d", "--name", "cmp-long", "--network", "none", "cmp/tiny", "sleep", "1000"),
            ("run", "-d", "--name", "cmp-long", "cmp/tiny", "sleep", "1000"),
            ("ps", "--filter", "name=cmp-long", "--format", "{{.Names}} {{.State}} {{.Status}}"),
            ("exec", "-e", "A=7", "-w", "/tmp", "cmp-long", "sh", "-c", "echo $A $(pwd); touch /tmp/new"),
            ("exec", "cmp-long", "sh", "-c", "exit 9"),
            ("exec", "-i", "cmp-long", "cat"),
            ("diff", "cmp-long"),
            ("cp", "{contexts}/whole/Dockerfile", "cmp-long:/tmp/D"),
            ("exec", "cmp-long", "head", "-n", "1", "/tmp/D"),
            ("cp", "cmp-long:/etc/passwd", "{work}/passwd"),
            ("cp", "cmp-long:/nowhere", "{work}/x"),
            ("pause", "cmp-long"),
            ("pause", "cmp-long"),
            ("exec", "cmp-long", "true"),
            ("unpause", "cmp-long"),
            ("rm", "cmp-long"),
            ("kill", "cmp-long"),
            ("wait", "cmp-long"),
            ("kill", "cmp-long"),
            ("start", "cmp-long"),
            ("stop", "-t", "0", "cmp-long"),
            ("rm", "-f", "cmp-long"),
        ),
        stdin={5: b"through\n"},
        differs={
            1: "the id in the sentence is the other container's, which the client cuts in another place",
            6: "dockerd 20.10 makes mount points in the image's own layer",
            7: "the client tells how much it has copied on a terminal alone",
            10: OUR_WORDS,
            12: OUR_WORDS, 13: OUR_WORDS, 15: OUR_WORDS, 18: OUR_WORDS,
        },
    ),
    "runs": Scene(
        (
            ("run", "-i", "--rm", "cmp/tiny", "cat"),
            ("run", "--rm", "-e", "A=1", "--entrypoint", "sh", "cmp/tiny", "-c", "echo $A; exit 42"),
            ("run", "--rm", "-w", "/tmp", "-u", "1000", "cmp/tiny", "sh", "-c", "id -u; pwd"),
            ("run", "--rm", "-v", "cmp-runs:/v", "cmp/tiny", "sh", "-c", "echo kept > /v/f"),
            ("run", "--rm", "-v", "cmp-runs:/v:ro", "cmp/tiny", "cat", "/v/f"),
            ("create", "-v", "cmp-runs:/v", "--name", "cmp-holds", "cmp/tiny", "true"),
            ("volume", "rm", "cmp-runs"),
            ("rm", "cmp-holds"),
            ("volume", "rm", "cmp-runs"),
            ("run", "--rm", "cmp/tiny", "nosuch"),
            ("run", "--rm", "cmp/tiny", "/etc"),
            ("run", "--rm", "{registry}/cmp/none:1", "true"),
            ("run", "--rm", "--network", "cmp-nowhere", "cmp/tiny", "true"),
        ),
        stdin={0: b"through and back\n"},
        differs={9: OUR_WORDS, 10: OUR_WORDS, 11: OUR_WORDS, 12: OUR_WORDS},
    ),
    "containers on networks": Scene(
        (
            ("network", "create", "cmp-net"),
            (
                "run", "-d", "--name", "cmp-on", "--network", "cmp-net", "--network-alias", "known",
                "cmp/tiny", "sleep", "1000",
            ),
            ("network", "inspect", "-f", "{{range .Containers}}{{.Name}}{{end}}", "cmp-net"),
            ("run", "--rm", "--network", "cmp-net", "cmp/tiny", "sh", "-c", "nslookup known >/dev/null && echo found"),
            ("network", "rm", "cmp-net"),
            ("network", "create", "cmp-more"),
            ("network", "connect", "--alias", "other", "cmp-more", "cmp-on"),
            ("network", "connect", "cmp-more", "cmp-on"),
            ("inspect", "-f", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}", "cmp-on"),
            ("network", "disconnect", "cmp-more", "cmp-on"),
            ("network", "disconnect", "cmp-more", "cmp-on"),
            ("rm", "-f", "cmp-on"),
            ("network", "rm", "cmp-net", "cmp-more"),
        ),
        differs={4: OUR_WORDS, 7: OUR_WORDS},
    ),
    "what is not there": Scene(
        (
            ("start", "cmp-none"),
            ("stop", "cmp-none"),
            ("kill", "cmp-none"),
            ("restart", "cmp-none"),
            ("pause", "cmp-none"),
            ("unpause", "cmp-none"),
            ("wait", "cmp-none"),
            ("rm", "cmp-none"),
            ("logs", "cmp-none"),
            ("top", "cmp-none"),
            ("diff", "cmp-none"),
            ("port", "cmp-none"),
            ("attach", "cmp-none"),
            ("inspect", "cmp-none"),
            ("update", "--pids-limit", "9", "cmp-none"),
            ("stats", "--no-stream", "cmp-none"),
            ("export", "-o", "{work}/none.tar", "cmp-none"),
            ("commit", "cmp-none"),
            ("exec", "cmp-none", "true"),
            ("rename", "cmp-none", "cmp-x"),
            ("cp", "cmp-none:/x", "{work}/x"),
        ),
        differs={2: "dockerd wraps it into one more sentence"},
    ),
    "a swarm that is none": Scene(
        (
            ("info", "--format", "{{.OSType}} {{.Swarm.LocalNodeState}}"),
            ("version", "--format", "{{.Server.Os}}"),
            ("node", "ls"),
            ("service", "ls"),
            ("secret", "ls"),
            ("config", "ls"),
            ("swarm", "leave"),
            ("plugin", "ls"),
            ("system", "df", "--format", "{{.Type}}"),
            ("events", "--since", "1", "--until", "2", "--filter", "container=cmp-none"),
        ),
    ),
}  # fmt: skip
