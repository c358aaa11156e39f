"""What single instructions take, where a table says it best."""

from typing import Any

import pytest

from engine.build.language import DockerfileError, expanded, model, parse
from engine.build.language.model import Mount

VARIABLES = {"a": "one two", "n": "7", "d": "/d"}


def only(text: str) -> Any:
    (found,) = parse(f"FROM x\n{text}".encode()).stages[0].instructions
    return found


def mount(words: str) -> Mount:
    (found,) = expanded(only(f"RUN --mount={words} x"), VARIABLES).mounts  # type: ignore[attr-defined]
    assert isinstance(found, Mount)
    return found


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("target=/t", Mount("bind", target="/t")),
        ("type=bind,src=a,dst=/t,rw", Mount("bind", source="a", target="/t", readonly=False)),
        ("type=bind,from=x,source=a,destination=/t,readonly=false", Mount("bind", "a", "/t", "x", readonly=False)),
        ("TYPE=Cache,target=/t", Mount("cache", target="/t", readonly=False)),
        ("type=cache,target=$d,id=$n,sharing=LOCKED,ro", Mount("cache", target="/d", id="7", sharing="locked")),
        ("type=cache,target=/t,mode=1777,uid=$n,gid=0,ro", Mount("cache", target="/t", mode=0o1777, uid=7, gid=0)),
        ("type=tmpfs,target=/t,size=1.5m", Mount("tmpfs", target="/t", size=1_572_864, readonly=False)),
        ("type=tmpfs,target=/t,size=64KiB,readwrite=false", Mount("tmpfs", target="/t", size=65_536)),
        ("type=secret,id=s", Mount("secret", id="s")),
        ("type=secret,source=s,env=TOKEN,required", Mount("secret", source="s", env="TOKEN", required=True)),
        ("type=secret,target=/run/s,mode=0400,required=false", Mount("secret", target="/run/s", mode=0o400)),
        ("type=ssh", Mount("ssh")),
        ("type=ssh,required=true,id=k", Mount("ssh", id="k", required=True)),
        ('type=cache,\\"target=/a,b\\"', Mount("cache", target="/a,b", readonly=False)),
        ("type=bind,target=\\'$d\\'", Mount("bind", target="$d")),
    ],
)  # fmt: skip
def test_a_mount(words: str, wanted: Mount) -> None:
    assert mount(words) == wanted


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("type=volume,target=/t", "--mount: type is one of bind, cache, tmpfs, secret, ssh, not 'volume'"),
        ("type=bnid", "--mount: type is one of bind, cache, tmpfs, secret, ssh, not 'bnid' (did you mean bind?)"),
        ("traget=/t", "--mount: 'traget' is unknown (did you mean target?): known are type,"),
        ("type=cache,target", "--mount: 'target' needs a value"),
        ("type=cache,target=/t,sharing=x", "--mount: sharing is one of shared, private, locked, not 'x'"),
        ("type=bind,target=/t,sharing=shared", "--mount: sharing does not go with type=bind, only with cache"),
        ("type=bind,target=/t,uid=1", "--mount: uid does not go with type=bind"),
        ("type=cache,target=/t,uid=x", "--mount: uid has to be a number, not 'x'"),
        ("type=cache,target=/t,mode=9", "--mount: mode has to be octal digits, not '9'"),
        ("type=cache,target=/t,size=1m", "--mount: size does not go with type=cache (the type has to stand before it)"),
        ("type=tmpfs,target=/t,size=big", "--mount: size has to be a size such as 64m, not 'big'"),
        ("type=cache,target=/t,required", "--mount: required does not go with type=cache"),
        ("type=secret", "--mount: a secret needs an id, a source or a target"),
        ("type=secret,id=a,src=b", "--mount: of a secret's id and source only one can be given"),
        ("type=secret,id=a,from=b", "--mount: a secret has no from"),
        ("type=cache,target=/t,ro=maybe", "--mount: ro has to be true or false, not 'maybe'"),
        ("", "it is empty: write key=value, separated by commas"),
        ('type=cache,\\"target=/t', "a quote is not closed in"),
        ('type=cache,target=\\"/t\\"', "a quote in the middle of"),
        ("from=$a,target=/t", "--mount: from can't have a variable"),
        ("type=$a", "--mount: type is one of"),
    ],
)
def test_a_wrong_mount(words: str, problem: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        mount(words)
    assert caught.value.problem.startswith(problem)
    assert caught.value.location is not None and caught.value.location.line == 2


@pytest.mark.parametrize(
    ("text", "field", "wanted"),
    [
        ("COPY $d/x ${d}y /z/$n", "sources", ("/d/x", "/dy")),
        ("COPY --chown=$n:$n --chmod=$n a b", "chown", "7:7"),
        ("COPY --exclude=$n a b", "exclude", ("$n",)),
        ("COPY <<E <<'F' /\n$n $x\nE\n$n\nF\n", "documents",
         (model.HereDocument("E", "7 \n", False, False), model.HereDocument("F", "$n\n", False, False))),
        ("ADD --checksum=sha256:$n http://h/x /", "checksum", "sha256:7"),
        ("ENV $n=$n b='$n' c=$a", "pairs", (("7", "7"), ("b", "$n"), ("c", "one two"))),
        ("LABEL x=$n", "pairs", (("x", "7"),)),
        ("ARG p=$n q=$p r", "pairs", (("p", "7"), ("q", "7"), ("r", None))),
        ("EXPOSE $n 80/UDP 8000-8002 80/udp", "ports", ("7/tcp", "80/udp", "8000/tcp", "8001/tcp", "8002/tcp")),
        ("EXPOSE [::1]:80:81 1.2.3.4:9:9", "ports", ("9/tcp", "81/tcp")),
        ("USER $n", "user", "7"),
        ("VOLUME $d ${d}/x", "paths", ("/d", "/d/x")),
        ("WORKDIR $d/$n", "path", "/d/7"),
        ("STOPSIGNAL $n", "signal", "7"),
        ("CMD $n", "command", model.Command(("$n",), True)),
        ("ENTRYPOINT [\"$n\"]", "command", model.Command(("$n",), False)),
        ("RUN echo $n", "command", model.Command(("echo $n",), True)),
        ("HEALTHCHECK CMD $n", "command", model.Command(("$n",), True)),
        ("ONBUILD USER $n", "trigger", "USER $n"),
        ("SHELL [\"$n\"]", "argv", ("$n",)),
    ],
)  # fmt: skip
def test_what_is_expanded(text: str, field: str, wanted: object) -> None:
    assert getattr(expanded(only(text), VARIABLES), field) == wanted


@pytest.mark.parametrize("signal", ["9", "SIGTERM", "TERM", "sigrtmin+3", "RTMAX-14", "SIGSTKFLT", "RTMIN"])
def test_signals(signal: str) -> None:
    assert expanded(only(f"STOPSIGNAL {signal}"), {}).signal == signal  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("STOPSIGNAL SIGTREM", "'SIGTREM' is no signal (did you mean SIGTERM?): write a name such as"),
        ("STOPSIGNAL 0", "'0' is no signal"),
        ("STOPSIGNAL RTMIN+16", "'RTMIN+16' is no signal"),
        ("EXPOSE http", "'http' is no port: write 80, 80/udp or 8000-8010, up to 65535"),
        ("EXPOSE 65536", "'65536' is no port"),
        ("EXPOSE 90-80", "'90-80': the range ends before it begins"),
        ("EXPOSE 80/icmp", "'80/icmp': the protocol of a port is tcp, udp, sctp, not 'icmp'"),
        ("EXPOSE x:80:80", "'x:80:80': 'x' is no address"),
        ("EXPOSE 1-2:1-3", "'1-2:1-3': the ranges differ in length"),
        ("VOLUME $x", "a volume's path comes out empty"),
    ],
)  # fmt: skip
def test_what_shows_only_when_variables_are_replaced(text: str, problem: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        expanded(only(text), {})
    assert caught.value.problem.startswith(problem)
    assert caught.value.message.startswith("Dockerfile:2:1: ")
