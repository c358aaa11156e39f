"""How many addresses of a network are left, and the picture of them."""

from __future__ import annotations

import pytest

from webui.networks.addresses import CELLS, cells_of, use_of


@pytest.mark.parametrize(
    ("subnet", "gateway", "ip_range", "taken", "size", "free"),
    [
        ("10.20.0.0/24", "10.20.0.1", "", [], 253, 253),
        ("10.20.0.0/24", "10.20.0.1", "", ["10.20.0.2", "10.20.0.2", ""], 253, 252),
        ("10.21.0.0/22", "10.21.0.254", "10.21.1.0/24", ["10.21.1.7", "10.21.0.9"], 256, 255),
        ("10.21.0.0/29", "10.21.0.1", "10.21.0.0/30", ["10.21.0.2", "10.21.0.3"], 2, 0),
        ("", "", "", [], 0, 0),
    ],
)
def test_what_is_left_is_counted_as_the_host_does(
    subnet: str, gateway: str, ip_range: str, taken: list[str], size: int, free: int
) -> None:
    use = use_of(subnet, gateway, ip_range, taken)
    assert (use.size, use.free) == (size, free)


def test_each_address_of_a_small_subnet_has_a_cell() -> None:
    cells = cells_of("10.20.0.0/28", "10.20.0.1", "10.20.0.8/29", {"10.20.0.9": "web", "10.99.0.1": "elsewhere"})
    assert [cell.kind for cell in cells] == [
        "edge", "gateway", *["outside"] * 6, "free", "taken", *["free"] * 5, "edge",
    ]  # fmt: skip
    assert (cells[9].first, cells[9].who, cells[9].share) == ("10.20.0.9", ("web",), 1.0)


def test_a_cell_of_a_large_subnet_stands_for_many() -> None:
    cells = cells_of("10.0.0.0/8", "10.0.0.1", "", {"10.255.255.254": "last", "10.255.0.9": "beside"})
    assert len(cells) == CELLS
    assert (cells[0].kind, cells[1].kind) == ("gateway", "free")
    assert (cells[-1].first, cells[-1].last, cells[-1].taken) == ("10.255.0.0", "10.255.255.255", 2)
    assert cells[-1].who == ("beside", "last")
