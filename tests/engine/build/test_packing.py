"""An image that was built travels: its layers are packed once, and are the same files elsewhere."""

from __future__ import annotations

import os
import secrets

import pytest

from tests.support.builds import Workbench
from tests.support.engine import Host
from tests.support.home import throwaway_home
from tests.support.registry import Registry

pytestmark = pytest.mark.root

TEXT = (
    "FROM tiny\nRUN rm -r /home/app && mkdir /home/app && touch /home/app/new && ln /etc/passwd /etc/linked\n"
    "COPY f /d/\nRUN rm /d/f && chmod 700 /var && mkfifo /pipe && head -c 3000000 /dev/zero > /zeros\n"
    "WORKDIR /w\nRUN true\n"
)


def test_pushed_and_pulled_it_is_the_same(bench: Workbench, registry: Registry) -> None:
    name = f"{registry.address}/built-{secrets.token_hex(4)}:latest"
    built = bench.build(TEXT, {"f": "F"}, tags=(name,), team="push")
    pushed = bench.engine.images.push(name)
    again = bench.engine.images.push(name)
    assert pushed.digest == again.digest
    with throwaway_home() as other:
        host = Host(other, name)
        assert host.engine.images.get(name).id == built.result.image_id
        there = Workbench(host.engine, name)
        assert there.files(name) == bench.files(built)


def test_saved_and_loaded_it_is_the_same(bench: Workbench) -> None:
    built = bench.build(TEXT, {"f": "F"}, tags=("saved:one",), team="save")
    with throwaway_home() as other, bench.engine.images.save(["saved:one"]) as saving:
        there = Workbench(Host(other, bench.image).engine, bench.image)
        assert saving.stream is not None
        images = there.engine.images.load(os.dup(saving.stream))
        saving.wait()
        assert images[0].id == built.result.image_id
        assert there.files("saved:one") == bench.files(built)


def test_it_lacks_nothing_before_and_after_it_is_packed(bench: Workbench) -> None:
    bench.build("FROM tiny\nRUN echo checked > /checked\n", tags=("checked",))
    assert not bench.engine.images.fsck().damaged
    with bench.engine.images.save(["checked"]) as saving:
        assert saving.stream is not None
        while os.read(saving.stream, 1 << 20):
            pass
        saving.wait()
    assert not bench.engine.images.fsck().damaged
    assert bench.engine.images.history("checked")[0].digest


def test_the_blobs_of_a_base_stay_with_what_is_built_on_it(bench: Workbench, registry: Registry) -> None:
    """The base is removed, and the image still goes out with the base's layers packed as they came."""
    with throwaway_home() as home:
        there = Workbench(Host(home, bench.image).engine, bench.image)
        name = f"{registry.address}/based-{secrets.token_hex(4)}:latest"
        there.build("FROM tiny\nRUN echo x > /x\n", tags=(name,))
        there.engine.image_remove(there.image, force=True)
        result = there.engine.images.push(name)
        assert result.mounted + result.existed + result.uploaded >= 2


def test_a_container_runs_on_it(bench: Workbench) -> None:
    built = bench.build('FROM tiny\nRUN echo ran > /said\nCMD ["cat", "/said"]\n', tags=("to-run",))
    host = Host.__new__(Host)
    host.engine, host.image = bench.engine, built.result.image_id
    from tests.support.home import Home

    host.home = Home(bench.engine.config.home)
    record = host.run()
    assert host.ended(record.id).exit_code == 0
    assert host.log(record.id) == b"ran\n"
    bench.engine.container_remove(record.id)
