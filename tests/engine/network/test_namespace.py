"""Who makes a socket in a container's network namespace is back in its own afterwards, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from engine.network import namespace as module
from engine.network import rtnetlink as rt
from engine.network.namespace import socket_inside
from tests.engine.network.spaces import Space

pytestmark = [pytest.mark.root]


def own() -> str:
    return os.readlink("/proc/thread-self/ns/net")


@pytest.fixture
def inside(spaces: Callable[[], Space]) -> Iterator[int]:
    descriptor = os.open(f"/proc/{spaces().pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    yield descriptor
    os.close(descriptor)


def test_the_socket_acts_inside_and_the_thread_does_not(inside: int) -> None:
    before = own()
    with socket_inside(inside, {"net/ipv4/ip_default_ttl": "33", "net/no/such": "1"}) as netlink:
        assert own() == before
        assert [link.name for link in rt.links(netlink) if not link.is_loopback] == []
    with open("/proc/sys/net/ipv4/ip_default_ttl") as file:
        assert file.read() != "33\n"


def test_a_failure_inside_brings_it_back(inside: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = own()

    def refused(_: int) -> None:
        assert own() != before
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(module, "Netlink", refused)
    with pytest.raises(OSError, match="Too many"):
        socket_inside(inside)
    assert own() == before


def test_neither_a_refusal_nor_an_interruption_keeps_it_inside(inside: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For want of memory, setns(2) may be refused; a signal's handler may raise at any moment."""
    before, real = own(), module._setns
    calls: list[type[BaseException] | None] = [None, OSError, KeyboardInterrupt, None]

    def reluctant(descriptor: int) -> None:
        error = calls.pop(0)
        if error is not None:
            raise error
        real(descriptor)

    monkeypatch.setattr(module, "_setns", reluctant)
    with pytest.raises(KeyboardInterrupt):
        socket_inside(inside)
    assert own() == before and calls == []


def test_a_thread_that_can_not_come_back_ends_its_process(inside: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module._setns
    monkeypatch.setattr(module, "_ATTEMPTS", 2)
    child = os.fork()
    if child == 0:
        entered: list[int] = []

        def stuck(descriptor: int) -> None:
            if entered:
                raise OSError(12, "Cannot allocate memory")
            entered.append(descriptor)
            real(descriptor)

        module._setns = stuck
        socket_inside(inside)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 70
