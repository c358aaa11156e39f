"""What of a Dockerfile has to be built."""

from __future__ import annotations

import pytest

from engine.build import planning
from engine.build.language import DockerfileError, parse
from engine.oci.platform import Platform

HOST = Platform.parse("linux/amd64")


def test_more_stages_than_a_process_has_threads_for_are_refused() -> None:
    """Those that the target doesn't need are no harm."""
    chain = "".join(f"FROM s{number} AS s{number + 1}\n" for number in range(planning.STAGES))
    found = parse(f"FROM scratch AS s0\n{chain}".encode())
    with pytest.raises(DockerfileError, match="the most"):
        planning.make(found, target=None, given={}, platform=HOST, host=HOST)
    plan = planning.make(found, target=f"s{planning.STAGES - 1}", given={}, platform=HOST, host=HOST)
    assert len(plan.wanted) == planning.STAGES
