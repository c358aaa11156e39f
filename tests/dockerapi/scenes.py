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
}  # fmt: skip
