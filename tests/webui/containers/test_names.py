"""Friendly names are free ones, and fit everywhere."""

from webui.containers.names import ADJECTIVES, BIRDS, friendly_name
from webui.containers.request import HOST_NAME, NAME


def test_a_taken_name_is_passed_over_and_numbers_follow_when_words_run_out() -> None:
    taken = {"able-albatross"}
    name = friendly_name(taken.__contains__, choose=lambda words: words[0])
    assert name.startswith("able-albatross-") and name not in taken


def test_every_name_is_one_that_a_person_could_have_given() -> None:
    assert len(set(ADJECTIVES)) * len(set(BIRDS)) > 5000
    for name in (f"{ADJECTIVES[0]}-{bird}" for bird in BIRDS):
        assert NAME.fullmatch(name) and HOST_NAME.fullmatch(name)
