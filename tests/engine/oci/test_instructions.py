"""Instructions of a Dockerfile that change an image's configuration."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidArgument
from engine.oci.instructions import apply


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('CMD ["a", "b c"]', {"Cmd": ["a", "b c"]}),
        ("cmd a 'b c'", {"Cmd": ["/bin/sh", "-c", "a 'b c'"]}),
        ('ENTRYPOINT ["/x"]', {"Entrypoint": ["/x"]}),
        ("ENV A=2 B='3 4'", {"Env": ["A=2", "Z=0", "B=3 4"]}),
        ("ENV A 2 3", {"Env": ["A=2 3", "Z=0"]}),
        ("LABEL a.b=c", {"Labels": {"a.b": "c"}}),
        (
            "EXPOSE 80 53/UDP 8000-8001",
            {"ExposedPorts": {port: {} for port in ("80/tcp", "53/udp", "8000/tcp", "8001/tcp")}},
        ),
        ('VOLUME ["/a b"]', {"Volumes": {"/a b": {}}}),
        ("VOLUME /a /b", {"Volumes": {"/a": {}, "/b": {}}}),
        ("WORKDIR sub/../x", {"WorkingDir": "/w/x"}),
        ("WORKDIR /y", {"WorkingDir": "/y"}),
        ("USER app:staff", {"User": "app:staff"}),
        ("ONBUILD RUN make", {"OnBuild": ["RUN make"]}),
        ("STOPSIGNAL SIGQUIT", {"StopSignal": "SIGQUIT"}),
        ("HEALTHCHECK NONE", {"Healthcheck": {"Test": ["NONE"]}}),
        ('HEALTHCHECK CMD ["a", "b"]', {"Healthcheck": {"Test": ["CMD", "a", "b"]}}),
        (
            "HEALTHCHECK --interval=5s --start-period=1m30s --retries=2 --timeout=0 CMD curl -f x || exit 1",
            {
                "Healthcheck": {
                    "Test": ["CMD-SHELL", "curl -f x || exit 1"],
                    "Interval": 5_000_000_000,
                    "StartPeriod": 90_000_000_000,
                    "Retries": 2,
                }
            },
        ),
    ],
)
def test_an_instruction_changes_its_part(line: str, expected: dict[str, Any]) -> None:
    before: dict[str, Any] = {"Env": ["A=1", "Z=0"], "WorkingDir": "/w"}
    assert apply(before, [line]) == before | expected
    assert before == {"Env": ["A=1", "Z=0"], "WorkingDir": "/w"}


@pytest.mark.parametrize(
    "line",
    ["", "RUN x", "ENV", "ENV =x", "ENV A", "EXPOSE 0", "EXPOSE 70000", "EXPOSE 9-8", "LABEL 'a", "ONBUILD FROM x",
     "CMD a\nRUN b", "USER a\0", "ENV A=1 B",
     "STOPSIGNAL FOO", "STOPSIGNAL 99999",
     "HEALTHCHECK", "HEALTHCHECK a", "HEALTHCHECK CMD", "HEALTHCHECK --interval=x CMD a",
     "HEALTHCHECK --interval=1us CMD a", "HEALTHCHECK --retries=-1 CMD a", "HEALTHCHECK --x=1 CMD a",
     "HEALTHCHECK --interval=5s NONE", "HEALTHCHECK NONE a"],
)  # fmt: skip
def test_what_is_none_is_refused(line: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        apply({}, [line])
    assert caught.value.detail["field"] == "changes"
