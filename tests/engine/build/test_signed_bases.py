"""Images that a build begins with and reads from, where a policy wants them signed."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.build.bases import Bases
from engine.errors import Cancelled, PermissionDenied
from engine.images.pull import Stop, host_platform
from engine.oci import signing
from tests.support.builds import Workbench

PRIVATE, PUBLIC = signing.new_key()


def test_a_base_that_nobody_has_signed_is_refused_at_its_line(bench: Workbench) -> None:
    for text, line in (
        ("FROM scratch AS a\n\nFROM tiny\nCOPY --from=a / /\n", 3),
        ("FROM scratch\nCOPY --from=tiny / /\n", 2),
    ):
        with pytest.raises(PermissionDenied, match="no valid signature") as caught:
            bench.build(text, signed_by={"release": PUBLIC})
        assert (caught.value.detail["policy"], caught.value.detail["line"]) == ("signed_images", line)


def test_a_base_that_was_signed_here_is_taken_and_another_of_its_name_is_not(bench: Workbench) -> None:
    bench.build("FROM tiny\nLABEL signed=yes\n", tags=("signed-base:1",), signing_key=PRIVATE)
    built = bench.build("FROM signed-base:1\nRUN echo here > /made\n", signed_by={"release": PUBLIC})
    assert bench.files(built)["made"].content == b"here\n"
    bench.build("FROM tiny\nLABEL signed=no\n", tags=("signed-base:1",))
    with pytest.raises(PermissionDenied, match="no valid signature"):
        bench.build("FROM signed-base:1\n", signed_by={"release": PUBLIC})


def test_stages_and_nothing_need_no_signature(bench: Workbench) -> None:
    bench.build("FROM scratch AS a\nWORKDIR /x\nFROM a\nCOPY --from=a / /y\n", signed_by={"release": PUBLIC})


def test_a_build_that_is_cancelled_waits_for_no_registry_that_may_have_a_signature() -> None:
    image = SimpleNamespace(id="sha256:" + "a" * 64, diff_ids=(), architecture="")
    asked: list[Any] = []

    def admit(*_: object, cancel: Any, **__: object) -> None:
        asked.append(cancel)
        assert cancel.wait(0.01)
        raise Cancelled("cancelled")

    known = SimpleNamespace(find=lambda _: image, find_id=lambda _: image)
    parts = SimpleNamespace(images=SimpleNamespace(admit=admit), lease=SimpleNamespace(add=lambda _: None))
    cancel = threading.Event()
    bases = Bases(
        config=cast(Any, None), images=cast(Any, parts.images), records=cast(Any, known), lease=cast(Any, parts.lease),
        access=None, pull=False, platform=host_platform(), stop=Stop(cancel), signed_by={"release": PUBLIC},
    )  # fmt: skip
    cancel.set()
    with pytest.raises(Cancelled):
        bases.draft("signed-base:1", None, cast(Any, None))
    assert asked == [bases.stop]
