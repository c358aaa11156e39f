"""The interpreter that a bundle's container is made by can't be written to from inside: CVE-2019-5736."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime.oci import shield
from tests.engine.runtime import interpreters
from tests.engine.runtime.box import make_image, until
from tests.engine.runtime.oci import bundles
from tests.engine.runtime.oci.bundles import Bundle

pytestmark = [pytest.mark.root, pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")]


@pytest.fixture
def python(bundle: Bundle) -> Iterator[Path]:
    """The copy that the runtime is run by until the container is removed, in a bundle whose image attacks it."""
    made = interpreters.copied(bundle.directory / "python")
    interpreters.attack(make_image(bundle.directory / "rootfs"))
    bundle.config["root"] = {"path": "rootfs", "readonly": True}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundles, "COMMAND", [str(made), *bundles.COMMAND[1:]])
        yield made


def environment(is_shielded: bool) -> dict[str, str]:
    return dict(os.environ) if is_shielded else {**os.environ, shield.AGAIN: "1"}


@pytest.mark.parametrize(("is_shielded", "answer"), [(True, "EROFS"), (False, "written ok")])
def test_it_can_not_be_overwritten_by_a_containers_first_process(
    bundle: Bundle, python: Path, is_shielded: bool, answer: str
) -> None:
    said = bundle.directory / "said"
    bundle.args(interpreters.SCRIPT)
    with said.open("w") as out:
        bundle.create(stdout=out, env=environment(is_shielded))
        bundle.succeed("start", bundle.id)
    until(lambda: said.read_text().endswith("\n"))  # and not by asking the runtime, which would run the file
    assert said.read_text() == f"{answer}\n"
    assert interpreters.was_overwritten(python) is not is_shielded


@pytest.mark.parametrize(("is_shielded", "answer"), [(True, "EROFS"), (False, "written ok")])
def test_it_can_not_be_overwritten_by_an_exec(bundle: Bundle, python: Path, is_shielded: bool, answer: str) -> None:
    bundle.args("/bin/sh", "-c", "until [ -e /tmp/over ]; do sleep 0.05; done").start()
    said = bundle.directory / "said"
    with said.open("w") as out:
        words = ("exec", "--detach", bundle.id, interpreters.SCRIPT)
        done = bundle.call(*words, capture_output=False, stdout=out, stderr=out, env=environment(is_shielded))
    assert done.returncode == 0
    until(lambda: said.read_text().endswith("\n"))
    assert said.read_text() == f"{answer}\n"
    assert interpreters.was_overwritten(python) is not is_shielded
