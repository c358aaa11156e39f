"""RUN --mount=type=ssh: Debian's own ssh-add and ssh-keygen in a step ask the agent, and the keys stay outside."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from engine import unix_path
from engine.build import ssh_agent, ssh_keys
from engine.build.ssh_keys import RSA_SHA2_256, Identity, string
from engine.errors import InvalidArgument, NotFound
from tests.engine.build.test_mounts import everywhere
from tests.support.builds import Workbench

KINDS = {"ed25519": 256, "ecdsa": 521, "rsa": 2048}
PROGRAMS = ("/usr/bin/ssh-add", "/usr/bin/ssh-keygen")


def made_key(directory: Path, kind: str, *more: str, bits: int | None = None) -> tuple[str, str]:
    """(private key, fingerprint) as ssh-keygen makes them."""
    path = directory / f"{kind}-{len(list(directory.iterdir()))}"
    size = str(bits or KINDS[kind])
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-b", size, "-N", "", "-C", "a comment", "-f", path, *more], check=True
    )
    shown = subprocess.run(["ssh-keygen", "-l", "-f", path], check=True, capture_output=True, text=True).stdout
    return path.read_text(), shown.split()[1]


def secret_of(private_key: str) -> bytes:
    """A line from the middle of it, which is in nobody else's file."""
    lines = private_key.strip().splitlines()
    return lines[len(lines) // 2].encode()


@contextlib.contextmanager
def agent(directory: Path, *identities: Identity, mode: int = 0o600) -> Iterator[Path]:
    path = directory / "agent"
    with ssh_agent.serving(path, identities, owner=(os.getuid(), os.getgid()), mode=mode):
        yield path


def asked(path: Path, message: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection, unix_path.short(path) as name:
        connection.settimeout(10)
        connection.connect(name)
        connection.sendall(string(message))
        return connection.recv(1 << 20)[4:]


def check_signature(directory: Path, public_key: str, signature: bytes, data: bytes) -> None:
    """By ssh-keygen, which has the public key alone."""
    (directory / "signers").write_text(f"step {public_key}\n")
    (directory / "signature").write_bytes(signature)
    command = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "step", "-n", "file", "-s", "signature"]
    subprocess.run(command, cwd=directory, input=data, check=True, capture_output=True)


# -- keys


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["OpenSSH", "PEM", "PKCS8"])
def test_keys_in_every_format(tmp_path: Path, kind: str, form: str) -> None:
    if kind == "ed25519" and form != "OpenSSH":
        pytest.skip("ssh-keygen writes these in its own format alone")
    text, fingerprint = made_key(tmp_path, kind, *([] if form == "OpenSSH" else ["-m", form]))
    (identity,) = ssh_keys.read(text.replace("\n", "\r\n"), "deploy")
    assert (identity.fingerprint, identity.comment) == (fingerprint, "deploy")
    (tmp_path / "public").write_text(identity.public_key)
    shown = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "public"], check=True, capture_output=True, text=True)
    assert shown.stdout.split()[1] == fingerprint
    assert secret_of(text) not in repr(identity).encode()


def test_several_keys_in_one_text_and_each_once(tmp_path: Path) -> None:
    one, other = made_key(tmp_path, "ed25519"), made_key(tmp_path, "ecdsa")
    found = ssh_keys.read(f"first\n{one[0]}\n{other[0]}{one[0]}", "all")
    assert [identity.fingerprint for identity in found] == [one[1], other[1]]


def test_what_is_no_key_says_what_to_do_and_shows_nothing(tmp_path: Path) -> None:
    locked, _ = made_key(tmp_path, "ed25519", "-N", "words", "-Z", "aes256-ctr")
    old, _ = made_key(tmp_path, "rsa", "-N", "words", "-m", "PEM")
    new, _ = made_key(tmp_path, "rsa", "-N", "words", "-m", "PKCS8")
    for text in (locked, old, new):
        with pytest.raises(InvalidArgument, match="passphrase"):
            ssh_keys.read(text, "deploy")
    whole, _ = made_key(tmp_path, "ecdsa")
    damaged = whole.replace(secret_of(whole).decode(), secret_of(whole).decode()[:-8] + "AAAAAAAA")
    weak, _ = made_key(tmp_path, "rsa", bits=1024)
    for text, words in (
        ("ssh-ed25519 AAAA me", "no private key"),
        (damaged[: len(damaged) // 2] + "\n-----END OPENSSH PRIVATE KEY-----", "can't be read"),
        (weak, "1024 bits"),
    ):
        with pytest.raises(InvalidArgument, match=words) as caught:
            ssh_keys.read(text, "deploy")
        assert "deploy" in caught.value.message
        assert secret_of(whole).decode()[:20] not in caught.value.message


def test_a_new_key_is_one_that_openssh_reads(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(ssh_keys.new_key())
    (tmp_path / "key").chmod(0o600)
    shown = subprocess.run(["ssh-keygen", "-l", "-f", tmp_path / "key"], check=True, capture_output=True, text=True)
    assert ssh_keys.read((tmp_path / "key").read_text(), "x")[0].fingerprint in shown.stdout


def test_beginnings_without_an_end_take_no_time(tmp_path: Path) -> None:
    key, _ = made_key(tmp_path, "ed25519")
    began = time.thread_time()
    flood, half = "-----BEGIN PRIVATE KEY-----" * 10_000, key + "-----BEGIN PRIVATE KEY-----\n"
    for text in (flood, "-----BEGIN " * 20_000, half):
        with pytest.raises(InvalidArgument, match="no private key"):
            ssh_keys.read(text, "deploy")
    assert time.thread_time() - began < 1
    assert len(ssh_keys.read("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + key, "deploy")) == 1


def forged(p: int, q: int, *, e: int = 65537) -> str:
    """A key of RSA in PEM with these numbers, which need not be those of one."""
    sides = rsa.RSAPrivateNumbers(p, q, 3, 1, 1, 1, rsa.RSAPublicNumbers(e, p * q))
    key = sides.private_key(unsafe_skip_rsa_key_validation=True)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def test_numbers_of_any_size_are_no_work() -> None:
    """Primes of Mersenne's are the longest that whoever wants a check to take minutes could send."""
    long, longer = (1 << 4253) - 1, (1 << 9689) - 1
    began = time.thread_time()
    for text, words in (
        (forged((1 << 19937) - 1, 3), "4 KiB.*4096 bits"),
        (forged(longer, 3), "9691 bits"),
        (forged((1 << 3217) - 1, (1 << 607) - 1), "not those of an RSA key"),
        (forged((1 << 1279) - 1, (1 << 1279) - 1), "not those of an RSA key"),
        (forged((1 << 1279) - 1, (1 << 1279) - 1, e=(1 << 90) + 1), "not those of an RSA key"),
        (forged(long, long), "8506 bits"),
    ):
        with pytest.raises(InvalidArgument, match=words):
            ssh_keys.read(text, "deploy")
    assert time.thread_time() - began < 2
    with pytest.raises(InvalidArgument, match="more than 10"):
        ssh_keys.read(ssh_keys.new_key() * 11, "deploy")


def test_what_was_checked_is_not_checked_again(tmp_path: Path) -> None:
    text, fingerprint = made_key(tmp_path, "rsa", bits=4096)
    assert ssh_keys.read(text, "deploy")[0].fingerprint == fingerprint
    began = time.thread_time()
    assert ssh_keys.read(text, "deploy", is_checked=True)[0].fingerprint == fingerprint
    assert time.thread_time() - began < 0.1


# -- the protocol


def test_all_but_two_requests_are_refused(tmp_path: Path) -> None:
    (identity,) = ssh_keys.read(made_key(tmp_path, "rsa")[0], "deploy")
    wish = bytes([13]) + string(identity.blob) + string(b"data")
    with agent(tmp_path, identity) as path:
        assert asked(path, bytes([11]))[0] == 12
        assert asked(path, wish + RSA_SHA2_256.to_bytes(4, "big"))[0] == 14
        refused = [bytes([number]) for number in (1, 9, 17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 255)]
        refused += [
            bytes([11, 0]),
            wish + bytes(4),  # RSA with SHA-1
            wish,
            wish + bytes([0, 0, 0, 2, 0]),
            bytes([13]) + string(b"another key") + string(b"data") + bytes(4),
            bytes([13]) + b"\xff\xff\xff\xff",
            bytes([27]) + string(b"session-bind@openssh.com") + b"x" * 100,
        ]
        assert [asked(path, message) for message in refused] == [bytes([5])] * len(refused)


def test_whoever_sends_nonsense_is_left_and_the_next_is_served(tmp_path: Path) -> None:
    (identity,) = ssh_keys.read(made_key(tmp_path, "ed25519")[0], "deploy")
    with agent(tmp_path, identity) as path, contextlib.ExitStack() as held:
        silent = [held.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(ssh_agent.CONNECTIONS)]
        for one in silent[:-2]:
            one.connect(str(path))
            one.sendall(b"\0\0")  # half of a length
        for nonsense in (b"\xff\xff\xff\xff", bytes(4)):
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(10)
                one.connect(str(path))
                one.sendall(nonsense)
                assert one.recv(10) == b""
        assert asked(path, bytes([11]))[0] == 12
        silent[0].sendall(b"\0\1\x0b")
        assert silent[0].recv(100)[4] == 12


def test_the_end_waits_for_nobody(tmp_path: Path) -> None:
    (identity,) = ssh_keys.read(made_key(tmp_path, "ed25519")[0], "deploy")
    with socket.socket(socket.AF_UNIX) as flooding:
        with agent(tmp_path, identity) as path:
            flooding.connect(str(path))
            flooding.sendall(string(bytes([11])) * 5000)
            flooding.recv(100)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        assert not path.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "build-ssh-agent"]


def test_a_step_has_a_tenth_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With signatures of 30 ms, as slow processors make them with RSA."""
    real = ssh_agent.answer

    def slow(message: bytes, identities: Sequence[Identity]) -> bytes:
        until = time.thread_time() + 0.03
        while time.thread_time() < until:
            pass
        return real(message, identities)

    monkeypatch.setattr(ssh_agent, "answer", slow)
    with socket.socket(socket.AF_UNIX) as flooding, agent(tmp_path) as path:
        flooding.connect(str(path))
        flooding.sendall(string(bytes([11])) * 100)
        worked, began = time.process_time(), time.monotonic()
        time.sleep(1)
        assert time.process_time() - worked < 0.25 * (time.monotonic() - began)
        assert flooding.recv(100)[4] == 12


def test_without_a_descriptor_for_it_whoever_calls_waits(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as calling, agent(tmp_path) as path:
        calling.settimeout(10)
        assert asked(path, bytes([11]))[0] == 12
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            calling.connect(str(path))
            worked = time.process_time()
            time.sleep(0.5)
            worked = time.process_time() - worked
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert worked < 0.15
        calling.sendall(string(bytes([11])))
        assert calling.recv(100)[4] == 12


def test_debians_client_lists_and_signs(tmp_path: Path) -> None:
    keys = [made_key(tmp_path, kind) for kind in KINDS]
    identities = ssh_keys.read("".join(text for text, _ in keys), "deploy")
    with agent(tmp_path, *identities) as path:
        environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        listed = subprocess.run(["ssh-add", "-l"], env=environment, check=True, capture_output=True, text=True).stdout
        assert re.findall(r"SHA256:\S+", listed) == [fingerprint for _, fingerprint in keys]
        for identity in identities:
            public = tmp_path / "asked.pub"
            public.write_text(identity.public_key)
            sign = ["ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", public]
            signed = subprocess.run(sign, input=b"words", env=environment, check=True, capture_output=True).stdout
            check_signature(tmp_path, identity.public_key, signed, b"words")
        refused = subprocess.run(["ssh-add", "-D"], env=environment, check=False, capture_output=True)
        assert refused.returncode != 0


# -- in a step


def client(directory: Path) -> None:
    """ssh-add and ssh-keygen with what they are linked to, at their places below `directory`."""
    for program in PROGRAMS:
        said = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
        for path in (program, *re.findall(r"(/\S+) \(0x", said)):
            target = directory / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("client")
    client(directory / "client")
    return directory


@pytest.mark.root
def test_a_step_signs_with_keys_that_it_never_has(bench: Workbench, tmp_path: Path, context: Path) -> None:
    keys = [made_key(tmp_path, kind) for kind in KINDS]
    built = bench.build(
        "FROM tiny\nCOPY client /\n"
        "RUN --mount=type=ssh echo $SSH_AUTH_SOCK > /socket && ssh-add -l > /listed && ssh-add -L > /public "
        "&& while read -r kind key; do echo $kind $key > /k.pub; echo words > /$kind; "
        "ssh-keygen -Y sign -n file -f /k.pub /$kind || exit 9; done < /public "
        "&& find / -xdev -type f -size -20k -exec grep -l 'PRIVATE KEY-' {} + > /found; true\n"
        'RUN test -z "$SSH_AUTH_SOCK" && ! ssh-add -l\n',
        context,
        ssh={"default": "".join(text for text, _ in keys)},
        team="ssh",
    )
    files = bench.files(built)
    assert files["socket"].content == b"/run/buildkit/ssh_agent.0\n"
    assert re.findall(rb"SHA256:\S+", files["listed"].content) == [key.encode() for _, key in keys]
    assert files["found"].content == b""
    assert "run/buildkit" not in files
    assert not any("SSH_AUTH_SOCK" in entry for entry in bench.config(built)["config"]["Env"])
    for line in files["public"].content.decode().splitlines():
        check_signature(tmp_path, line, files[f"{line.split()[0]}.sig"].content, b"words\n")
    left = everywhere(bench, built)
    assert not [text for text, _ in keys if secret_of(text) in left]


@pytest.mark.root
def test_a_place_and_an_owner_of_its_own(bench: Workbench, tmp_path: Path, context: Path) -> None:
    key, fingerprint = made_key(tmp_path, "ed25519")
    built = bench.build(
        "FROM tiny\nCOPY client /\nENV SSH_AUTH_SOCK=/elsewhere\n"
        "RUN --mount=type=ssh,id=one --mount=type=ssh,id=one,target=/s/agent,mode=0640,uid=1000,gid=50 "
        "stat -c '%a %u %g %F' /s/agent > /facts && echo $SSH_AUTH_SOCK >> /facts "
        "&& test -S /run/buildkit/ssh_agent.0\n"
        "USER app\n"
        "RUN --mount=type=ssh,id=one,target=/s/agent,uid=1000 SSH_AUTH_SOCK=/s/agent ssh-add -l > /tmp/listed\n"
        "RUN --mount=type=ssh,id=one,target=/s/agent SSH_AUTH_SOCK=/s/agent ssh-add -l > /tmp/refused; true\n",
        context,
        ssh={"one": key},
    )
    files = bench.files(built)
    assert files["facts"].content == b"640 1000 50 socket\n/elsewhere\n"
    assert fingerprint.encode() in files["tmp/listed"].content
    assert fingerprint.encode() not in files["tmp/refused"].content
    assert "s" not in files


@pytest.mark.root
def test_an_agent_that_was_not_given(bench: Workbench) -> None:
    built = bench.build("FROM tiny\nRUN --mount=type=ssh test ! -e $SSH_AUTH_SOCK && ls /run > /seen\n")
    assert b"buildkit" not in bench.files(built)["seen"].content
    with pytest.raises(NotFound, match=r"--ssh deploy=FILE") as caught:
        bench.build("FROM tiny\nRUN true\nRUN --mount=type=ssh,id=deploy,required true\n")
    assert caught.value.detail["line"] == 3


@pytest.mark.root
def test_another_key_builds_nothing_again(bench: Workbench, tmp_path: Path) -> None:
    text = "FROM tiny\nRUN --mount=type=ssh,required test -S $SSH_AUTH_SOCK\n"
    first, second = made_key(tmp_path, "ed25519")[0], made_key(tmp_path, "ed25519")[0]
    bench.build(text, ssh={"default": first}, team="ssh keys")
    assert bench.build(text, ssh={"default": second}, team="ssh keys").states()["0.1"] == "cached"


@pytest.mark.root
def test_a_wrong_key_ends_the_build_before_its_first_step(bench: Workbench) -> None:
    with pytest.raises(InvalidArgument, match="no private key"):
        bench.build("FROM tiny\nRUN --mount=type=ssh true\n", ssh={"default": "ssh-ed25519 AAAA"})
