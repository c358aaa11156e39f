"""How the options of a container are shown: all of them, and what they do to its walls."""

from __future__ import annotations

from webui.containers import options
from webui.containers.options import loosened_in_run, options_as_json


def test_walls_are_those_of_the_options_and_of_the_last_run() -> None:
    spec = {"privileged": False, "volumes": ["/etc:/etc"], "read_only": True, "pids_limit": -1}
    for _ in range(2):  # the second is remembered
        shown = options_as_json(spec)
        assert shown["loosened"] == ["the host's /etc", "processes unlimited"]
        assert shown["tightened"] == ["read-only root"]
        shown["loosened"].append("what one caller does is no other's")
    shown = options_as_json(spec)
    in_run = loosened_in_run(shown, userns="host", apparmor="unconfined")
    assert in_run == ["user namespace of the host", "the host's /etc", "processes unlimited", "AppArmor off"]
    assert loosened_in_run(shown, userns="own", apparmor="portside-default") == shown["loosened"] == in_run[1:3]
    privileged = options_as_json({"privileged": True})
    assert loosened_in_run(privileged, userns="host", apparmor="unconfined") == privileged["loosened"]
    assert options_as_json({**spec, "pids_limit": 5})["loosened"] == ["the host's /etc"]
    assert options_as_json({})["loosened"] == options_as_json({"pids_limit": 5})["loosened"] == []


def test_long_options_are_not_remembered() -> None:
    before = options._walls.cache_info().currsize
    shown = options_as_json({"volumes": ["/etc:/etc"], "annotations": {"a": "b" * 5000}})
    assert shown["loosened"] == ["the host's /etc"]
    assert options._walls.cache_info().currsize == before


def test_options_of_another_version_are_shown_as_they_are() -> None:
    shown = options_as_json({"volumes": "no list", "newer": 1})
    assert (shown["volumes"], shown["loosened"], shown["tightened"]) == ("no list", [], [])
