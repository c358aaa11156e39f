"""The bare halves of standard modules do what the whole ones do."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import bare

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_json_is_written_and_read_as_by_the_whole_module(value: object) -> None:
    for how in ({}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":"), "sort_keys": True}):
        assert bare.json.dumps(value, **how) == json.dumps(value, **how)  # type: ignore[arg-type]
    assert bare.json.loads(json.dumps(value)) == value
    assert bare.json.loads(f" \n{json.dumps(value)}\t".encode()) == value


@pytest.mark.parametrize("text", ["", " ", "{", '{"a":}', "1 2", "nul", '{"a":1,}', "\ufeff{}", '"\x01"', b"\xff"])
def test_what_is_no_json_is_refused_in_the_same_words(text: str | bytes) -> None:
    with pytest.raises(ValueError) as whole:
        json.loads(text)
    with pytest.raises(ValueError) as found:
        bare.json.loads(text)
    assert str(found.value) == str(whole.value)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_no_json_go_to_the_hook(text: str) -> None:
    assert repr(bare.json.loads(text)) == repr(json.loads(text))
    assert bare.json.loads(text, parse_constant=lambda name: f"<{name}>") == f"<{text}>"


def test_pairs_go_to_the_hook() -> None:
    assert bare.json.loads('{"a": 1, "a": 2}', object_pairs_hook=list) == [("a", 1), ("a", 2)]


def test_what_is_no_value_is_not_written() -> None:
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        bare.json.dumps({"a": object()})


def test_a_tuple_with_names_is_one() -> None:
    pair = bare.namedtuple("pair", "one two")
    made = pair(1, two=2)
    assert (made.one, made.two, *made) == (1, 2, 1, 2)
    assert made._replace(one=3) == (3, 2)
    for given_, named in (((1,), {}), ((1, 2, 3), {}), ((1, 2), {"three": 3})):
        with pytest.raises((TypeError, KeyError)):
            pair(*given_, **named)


def test_errors_are_suppressed_and_pass_through_managers() -> None:
    steps = []

    @bare.contextlib.contextmanager
    def managed() -> object:  # type: ignore[misc]
        steps.append("in")
        try:
            yield 5
        except KeyError:
            steps.append("error")
            raise
        finally:
            steps.append("out")

    with bare.contextlib.suppress(OSError, KeyError), managed() as value:
        assert value == 5
        raise KeyError("x")
    assert steps == ["in", "error", "out"]
    with pytest.raises(ValueError), bare.contextlib.suppress(OSError):
        raise ValueError("y")


def test_sockets_carry_messages_and_descriptors() -> None:
    one, other = bare.socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other, open("/dev/null") as null:
        bare.socket.send_fds(one, [b"here"], [null.fileno()])
        message, fds, _, _ = socket.recv_fds(socket.socket(fileno=os.dup(other.fileno())), 10, 1)
        assert message == b"here"
        assert os.fstat(fds[0]).st_rdev == os.fstat(null.fileno()).st_rdev
        os.close(fds[0])
    assert one.fileno() == -1


def test_a_listening_socket_accepts(tmp_path: Path) -> None:
    with bare.socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with bare.socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller:
            caller.connect(str(tmp_path / "s"))
            answered, _ = listener.accept()
            with answered:
                caller.send(b"x")
                assert answered.recv(5) == b"x"


def test_what_a_bare_module_lacks_comes_from_the_whole_one() -> None:
    assert bare.json.JSONDecodeError is json.JSONDecodeError
    assert bare.contextlib.ExitStack is contextlib.ExitStack
    assert bare.socket.AF_UNIX == socket.AF_UNIX
    assert bare.socket.recv_fds is socket.recv_fds  # the C half has a name of its own
    with pytest.raises(AttributeError):
        bare.nothing  # noqa: B018


def test_a_command_imports_nothing_that_takes_long() -> None:
    slow = {"collections", "contextlib", "ctypes", "enum", "functools", "json", "re", "signal", "socket", "typing"}
    code = (
        "import sys\n"
        "from engine.runtime.oci import creation, ending, foreground, verbs\n"
        f"print(sorted({slow!r} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-S", "-s", "-E", "-c", f"import sys; sys.path.insert(0, {str(Path.cwd())!r})\n{code}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
