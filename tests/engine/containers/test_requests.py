"""What is asked for twice under one name is done once: a worker that died may have done it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.errors import Cancelled, Unavailable
from engine.options.admission import Admission
from tests.engine.containers.fakes import FakeImage, World, engine_on, image_config, spec

ONE = spec(1)


def test_a_start_that_was_done_before_is_not_done_again(tmp_path: Path) -> None:
    world = World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})
    containers, parts = engine_on(tmp_path, world)
    containers.create(ONE)
    assert containers.start("c1", "job 1").run == 1
    containers.kill("c1")
    assert containers.start("c1", "job 1").status == containers.restart("c1", request="job 1").status == "stopped"
    assert containers.restart("c1", request="job 2").run == 2
    assert containers.restart("c1", request="job 2").run == 2
    containers.stop("c1")
    world.fail_at, world.error = "network.attach", Unavailable("no network")
    with pytest.raises(Unavailable):
        containers.start("c1", "job 3")
    assert containers.start("c1", "job 3").run == 4  # what has failed is tried again
    assert parts.catalog.get(ONE.id).asked_by == "job 3"


def test_whoever_asks_can_break_off_the_look_for_signatures_and_nothing_has_changed(tmp_path: Path) -> None:
    world = World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})
    containers, parts = engine_on(tmp_path, world)
    signed, cancel = Admission(signed_by={"release": "PEM"}), threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        containers.create(ONE, admission=signed, cancel=cancel)
    assert parts.catalog.list() == []
    containers.create(ONE)
    with pytest.raises(Cancelled):
        containers.start("c1", admission=signed, cancel=cancel)
    assert parts.catalog.get(ONE.id).status == "created"
    containers.start("c1")
    with pytest.raises(Cancelled):
        containers.restart("c1", admission=signed, cancel=cancel)
    assert (parts.catalog.get(ONE.id).status, parts.catalog.get(ONE.id).run) == ("running", 1)
