"""What the tests wait with."""

from collections.abc import Callable

import pytest

from tests.support.processes import eventually


def test_what_cannot_be_looked_into_yet_is_waited_for() -> None:
    told: list[int] = []
    tries: list[Callable[[], object]] = [
        lambda: told[-1],
        lambda: {}["later"],
        lambda: told.append(1),
        lambda: told[-1],
    ]
    answers = iter(tries)

    def claim() -> object:
        return next(answers)()

    assert eventually(claim) == 1


def test_what_never_comes_is_said_with_what_was_seen_last() -> None:
    with pytest.raises(AssertionError, match=r"the word did not happen within 0 s; last seen: KeyError\('gone'\)"):
        eventually(lambda: {}["gone"], seconds=0, what="the word")
