"""The words of --storage-opt, as Docker's overlay2 takes them."""

from __future__ import annotations

import pytest

from engine.errors import InvalidArgument, Unsupported
from engine.options import storage_options


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10G", 10 << 30), ("10gb", 10 << 30), ("10 GiB", 10 << 30), ("1.5m", 3 << 19), ("2097152", 2 << 20),
        ("2097152b", 2 << 20), ("1024k", 1 << 20), ("1t", 1 << 40), ("0", None), ("0g", None),
    ],
)  # fmt: skip
def test_sizes_are_read_as_docker_reads_them(text: str, size: int | None) -> None:
    assert storage_options.read({"size": text}) == size
    assert storage_options.read({"SIZE": text}) == size, "in any case"


def test_without_one_there_is_no_limit() -> None:
    assert storage_options.read({}) is None


@pytest.mark.parametrize("text", ["", "many", "-1", "10x", "1023k", "5000p", "1,5g", "1m " * 20, "9" * 40])
def test_what_is_no_size_says_what_is_one(text: str) -> None:
    with pytest.raises(InvalidArgument, match="give bytes, or such as 512m or 10G"):
        storage_options.read({"size": text})


def test_other_options_are_unknown() -> None:
    with pytest.raises(Unsupported, match=r"^unknown option dm\.basesize: size is taken"):
        storage_options.read({"dm.basesize": "10G"})
    with pytest.raises(InvalidArgument, match="twice"):
        storage_options.read({"size": "1g", "Size": "2g"})
