"""The outline of a build: each instruction that will be done, with the vertex that the events call it by."""

from __future__ import annotations

from engine.build import planning
from engine.build.language import parse
from engine.build.outline import outline
from engine.oci.platform import Platform

HERE = Platform("linux", "amd64")
TEXT = b"""ARG BASE=tiny
FROM ${BASE} AS first
RUN echo 1 \\
    && echo 2
FROM unused AS aside
RUN never
FROM scratch
ENV A=1
COPY --from=first /a /b
WORKDIR /w
FROM first AS last
CMD ["sh"]
"""


def lines(target: str | None) -> list[tuple[str, str]]:
    plan = planning.make(parse(TEXT), target=target, given={}, platform=HERE, host=HERE)
    return [(line.text, line.step) for line in outline(plan)]


def test_what_sets_something_has_no_step_and_a_stage_as_a_base_neither() -> None:
    assert lines(None) == [
        ("ARG BASE=tiny", ""),
        ("FROM ${BASE} AS first", "0.0"),
        ("RUN echo 1 && echo 2", "0.1"),
        ("FROM first AS last", ""),
        ('CMD ["sh"]', ""),
    ]


def test_an_image_from_nothing_has_no_base_to_wait_for() -> None:
    assert lines("2")[3:] == [
        ("FROM scratch", ""),
        ("ENV A=1", ""),
        ("COPY --from=first /a /b", "2.1"),
        ("WORKDIR /w", "2.2"),
    ]
