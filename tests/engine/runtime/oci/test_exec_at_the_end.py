"""exec while its container ends: whatever is missing by then, the answer is that the container has ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from engine.runtime import kernel
from engine.runtime.oci import bundle as bundles
from engine.runtime.oci import foreground, joining, namespaces
from engine.runtime.oci.groups.tree import Tree
from engine.runtime.oci.preserved import Preserved
from engine.runtime.oci.state import Container
from engine.runtime.wire import Failure
from tests.engine.runtime.oci.bundles import Bundle

pytestmark = pytest.mark.root


@pytest.mark.parametrize(("owner", "name"), [(joining, "_different"), (Tree, "doors"), (namespaces, "through_helper")])
def test_a_container_that_ends_on_the_way_is_told_to_have_ended(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    bundle.args("/bin/sleep", "100").start()
    container = Container.load(str(bundle.root), bundle.id)
    spec, _ = bundles.load(container.directory)
    assert spec.process is not None
    call: Callable[..., object] = getattr(owner, name)

    def late(*args: object) -> object:
        os.kill(container.pid, signal.SIGKILL)
        bundle.until("stopped")
        bundle.succeed("delete", bundle.id)
        return call(*args)

    monkeypatch.setattr(owner, name, late)
    with pytest.raises(Failure) as caught:
        joining.execute(
            container, spec, spec.process, filter_program=None, preserved=Preserved(0, 0), terminal=None, below={},
            although_paused=False,
        )  # fmt: skip
    assert str(caught.value) == "cannot exec in a stopped container: it has ended meanwhile"


def test_a_container_that_is_deleted_on_the_way_does_not_exist(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    container = Container.load(str(bundle.root), bundle.id)
    bundle.remove()
    with pytest.raises(Failure, match="does not exist"):
        foreground.exec_(container, {"root": str(bundle.root)}, ["/bin/true"], None)  # type: ignore[arg-type]


def test_who_was_born_by_a_helper_that_is_killed_is_not_left() -> None:
    def bear(inside: bool, answer: int) -> int:
        if kernel.clone3(kernel.CLONE_PARENT, 0) == 0:
            os.close(answer)
            time.sleep(100)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    before = namespaces._children()
    with pytest.raises(Failure, match="was killed"):
        namespaces.through_helper(lambda: None, bear)
    assert namespaces._children() == before
