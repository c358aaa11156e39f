"""Images that a policy lets a build begin with and read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import PermissionDenied
from engine.oci.reference import Reference
from tests.support.builds import Workbench

ELSEWHERE = ("registry.example.com/base/*",)


def own(bench: Workbench) -> tuple[str, ...]:
    """The repository of the workbench's image alone."""
    return (Reference.parse(bench.image).name,)


def test_what_matches_is_built(bench: Workbench) -> None:
    dockerfile = "FROM tiny AS a\nFROM scratch\nCOPY --from=a /etc/passwd /\nCOPY --from=tiny /etc/passwd /again\n"
    built = bench.build(dockerfile, allowed_images=own(bench))
    assert set(bench.files(built)) == {"passwd", "again"}


def test_another_base_is_refused_at_its_line(bench: Workbench) -> None:
    with pytest.raises(PermissionDenied) as caught:
        bench.build("FROM scratch AS a\n\nFROM tiny\nCOPY --from=a / /\n", allowed_images=ELSEWHERE)
    assert caught.value.detail["policy"] == "allowed_images" and caught.value.detail["image"] == bench.image
    assert caught.value.detail["line"] == 3 and "registry.example.com/base/*" in caught.value.message


@pytest.mark.parametrize(
    "instruction", ["COPY --from=other.example.com/x:1 / /", "RUN --mount=from=other.example.com/x:1,target=/x true"]
)
def test_an_image_that_is_read_from_too(bench: Workbench, instruction: str) -> None:
    with pytest.raises(PermissionDenied, match=r"other\.example\.com/x") as caught:
        bench.build(f"FROM tiny\n{instruction}\n", allowed_images=own(bench))
    assert caught.value.detail["line"] == 2


def test_an_image_behind_a_name_of_a_context_too(bench: Workbench, tmp_path: Path) -> None:
    named = {"base": "docker-image://other.example.com/x:1"}
    for dockerfile in ("FROM base\n", "FROM scratch\nCOPY --from=base / /\n"):
        with pytest.raises(PermissionDenied, match=r"other\.example\.com/x"):
            bench.build(dockerfile, tmp_path, named_contexts=named, allowed_images=own(bench))


def test_an_id_is_no_way_around(bench: Workbench) -> None:
    """`FROM 0123abcd` reads as Docker Hub's library/0123abcd, and finds the image with this id."""
    digits = bench.engine.images.get(bench.image).id.removeprefix("sha256:")
    for name in (digits[:12], f"sha256:{digits}"):
        with pytest.raises(PermissionDenied, match="is an image's id"):
            bench.build(f"FROM {name}\n", allowed_images=("docker.io/library/*", "docker.io/*"))


def test_an_image_that_was_only_named_so_is_no_way_around(bench: Workbench) -> None:
    bench.build("FROM scratch\nWORKDIR /own\n", tags=("registry.example.com/base/own:1",))
    for text in (
        "FROM registry.example.com/base/own:1\n",
        "FROM scratch\nCOPY --from=registry.example.com/base/own:1 / /\n",
    ):
        with pytest.raises(PermissionDenied, match="neither pulled from there nor pushed there"):
            bench.build(text, allowed_images=ELSEWHERE)
