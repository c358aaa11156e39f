"""Fixtures that every part of the tests shares; what they are made of is in `tests.support`."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import images
from tests.support.fault_proxy import FaultProxy
from tests.support.home import Home, Leaks, throwaway_home
from tests.support.portside import Portside, running_portside
from tests.support.processes import eventually
from tests.support.registry import Registry

settings.load_profile("ci")  # Hypothesis' own: no example has to come within a time, and all runs have the same ones


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """A directory of this run alone. pytest's own clean-up of earlier ones is recursive, and gives up with the whole
    run when it meets what hostile layers have left: trees a thousand directories deep."""
    if config.option.basetemp is None:
        scratch = tempfile.mkdtemp(prefix="portside-tests-")
        config.option.basetemp = f"{scratch}/run"
        config.add_cleanup(lambda: subprocess.run(["rm", "-rf", scratch], check=False))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Chromium aborts what it loads whenever the machine gains or loses an address, as containers make it do. So a
    browser's test, and no other, is tried once more; it is then listed as RERUN. Where chance is what is tested
    (deaths, races), a second try would hide what was found."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=1))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Debian's docker-registry, open to all."""
    server = Registry(tmp_path_factory.mktemp("registry"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def basic_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that wants a name and a password (`tests.support.registry.USERNAME`, `PASSWORD`); has tiny:latest."""
    server = Registry(tmp_path_factory.mktemp("basic-registry"), auth="basic")
    server.push(images.tiny(), "tiny:latest")
    yield server
    server.close()


@pytest.fixture(scope="session")
def bearer_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that wants tokens; anybody may pull public/tiny:latest, alice also tiny:latest."""
    server = Registry(tmp_path_factory.mktemp("bearer-registry"), auth="bearer")
    server.push(images.tiny(), "tiny:latest")
    server.push(images.tiny(), "public/tiny:latest")
    yield server
    server.close()


@pytest.fixture
def fault_proxy(registry: Registry) -> Iterator[FaultProxy]:
    """The open registry behind a proxy that misbehaves when told to."""
    proxy = FaultProxy(registry.address)
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def tiny_image(registry: Registry) -> str:
    """Reference of busybox in the open registry."""
    return registry.push(images.tiny(), "tiny:latest")


@pytest.fixture(scope="session")
def debian_image(registry: Registry) -> str:
    """Reference of a minbase Debian of several layers in the open registry."""
    return registry.push(images.debian(), "debian:latest")


@pytest.fixture(scope="session")
def tiny_layout() -> Path:
    """OCI layout of the tiny image."""
    return images.tiny()


@pytest.fixture
def home() -> Iterator[Home]:
    """An empty home; whatever is started from it is gone after the test."""
    with throwaway_home() as made:
        yield made


@pytest.fixture(scope="session")
def shared_portside() -> Iterator[Portside]:
    with running_portside() as running:
        yield running


@pytest.fixture
def portside(shared_portside: Portside) -> Iterator[Portside]:
    """The running Portside that tests share. After each test its containers are removed and nothing may be left."""
    yield shared_portside
    shared_portside.remove_containers()
    leaks: Leaks | None = None

    def is_clean() -> bool:
        nonlocal leaks
        leaks = shared_portside.home.leaks()
        return not leaks

    try:
        eventually(is_clean, what="a clean kernel")
    except AssertionError:
        pytest.fail(f"containers are gone, but left behind: {leaks}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A failed test shows what its Portside said."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Portside):
                report.sections.append(("portside", value.output()))
