from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidArgument
from engine.options.ports import spread


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({"container": 80, "host": 8080}, [(80, 8080, None)]),
        ({"container": 80, "host": 8000, "host_last": 8010}, [(80, 8000, 8010)]),
        ({"container": 80, "container_last": 82}, [(80, None, None), (81, None, None), (82, None, None)]),
        (
            {"container": 80, "container_last": 81, "host": 8000, "host_last": 8001},
            [(80, 8000, None), (81, 8001, None)],
        ),
        ({"container": 80, "container_last": 80, "host": 8000, "host_last": 8000}, [(80, 8000, None)]),
        ({"container": "80", "host": None}, [("80", None, None)]),
    ],
)
def test_a_range_is_the_ports_that_docker_takes_it_for(asked: dict[str, Any], meant: list[Any]) -> None:
    assert [(one["container"], one.get("host"), one.get("host_last")) for one in spread(asked)] == meant


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"container": 80, "container_last": 81, "host": 8000}, "host_last", "2 ports of the container"),
        ({"container": 80, "container_last": 81, "host": 8000, "host_last": 8005}, "host_last", "as many"),
        ({"container": 80, "container_last": 79}, "container_last", "greatest"),
        ({"container": "80", "container_last": 81}, "container_last", "from 1 to 65535"),
        ({"container": 80, "host_last": 81}, "host_last", "from one port"),
        ({"container": 80, "host": 1, "host_last": 65535}, "host_last", "at most"),
    ],
)
def test_what_is_no_range_is_refused_at_its_field(asked: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as refused:
        spread(asked)
    assert refused.value.detail == {"field": field}
