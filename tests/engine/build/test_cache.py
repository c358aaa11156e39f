"""What is built again, and what is not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from engine.build.pruning import PruneRules
from engine.errors import EngineError
from tests.support.builds import Workbench, fill

pytestmark = pytest.mark.root

TEXT = "FROM tiny\nWORKDIR /w\nCOPY src src\nRUN date +%s%N > /when; cat src/*\nCOPY other /\nRUN echo last > /last\n"


def test_the_same_again_is_cached_whatever_its_times_and_place(bench: Workbench, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for place in (one, two):
        fill(place, {"src/a": "A", "other": "B"})
    os.utime(two / "src/a", (1, 1))
    first = bench.build(TEXT, one, team="times")
    second = bench.build(TEXT, two, team="times")
    assert second.result.image_id == first.result.image_id
    assert second.result.cached == second.result.steps == 6


def test_a_changed_file_builds_what_follows_it(bench: Workbench, tmp_path: Path) -> None:
    fill(tmp_path, {"src/a": "A", "other": "B"})
    bench.build(TEXT, tmp_path, team="changed")
    (tmp_path / "other").write_text("C")
    states = bench.build(TEXT, tmp_path, team="changed").states()
    assert [states[f"0.{number}"] for number in range(6)] == ["cached"] * 4 + ["done"] * 2
    (tmp_path / "src/a").chmod(0o755)
    states = bench.build(TEXT, tmp_path, team="changed").states()
    assert [states[f"0.{number}"] for number in range(3)] == ["cached", "cached", "done"]


def test_a_file_that_changes_without_another_size_or_time_is_seen(bench: Workbench, tmp_path: Path) -> None:
    """As git's index, the digests that are remembered don't trust a file that has just been changed."""
    fill(tmp_path, {"f": "one"})
    facts = os.stat(tmp_path / "f")
    text = "FROM scratch\nCOPY f /\n"
    bench.build(text, tmp_path, team="racy")
    (tmp_path / "f").write_text("two")
    os.utime(tmp_path / "f", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert bench.files(bench.build(text, tmp_path, team="racy"))["f"].content == b"two"


def test_what_another_stage_gives_counts_by_its_content(bench: Workbench) -> None:
    text = (
        "FROM tiny AS one\nRUN date +%s%N > /when; echo same > /out\nFROM tiny\nCOPY --from=one /out /\nRUN touch /x\n"
    )
    bench.build(text, team="stages")
    again = bench.build(text, team="stages", no_cache_stages=("one",)).states()
    assert (again["0.1"], again["1.1"], again["1.2"]) == ("done", "cached", "cached")


def test_a_team_sees_nothing_of_another_ones(bench: Workbench) -> None:
    text = "FROM tiny\nRUN date +%s%N > /when\n"
    first = bench.build(text, team="blue")
    assert bench.build(text, team="red").result.image_id != first.result.image_id
    assert bench.build(text, team="blue").result.image_id == first.result.image_id


def test_without_the_cache_all_is_built_again(bench: Workbench) -> None:
    text = "FROM tiny\nRUN date +%s%N > /when\n"
    first = bench.build(text, team="without")
    again = bench.build(text, team="without", no_cache=True)
    assert again.result.image_id != first.result.image_id
    assert bench.build(text, team="without").result.image_id == again.result.image_id


def test_arguments_decide_where_they_are_known(bench: Workbench) -> None:
    text = "FROM tiny\nRUN touch /before\nARG V\nRUN echo $V > /v\n"
    bench.build(text, team="args", build_args={"V": "1"})
    states = bench.build(text, team="args", build_args={"V": "2"}).states()
    assert (states["0.1"], states["0.2"]) == ("cached", "done")


def test_two_builds_of_the_same_at_once_do_it_once(bench: Workbench) -> None:
    text = "FROM tiny\nRUN sleep 0.5; date +%s%N > /when\n"
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(bench.build(text, team="twice").result.image_id)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1


def test_stages_without_dependence_run_side_by_side(bench: Workbench, tmp_path: Path) -> None:
    """Each of two stages waits for the other to have begun: a cache mount is where they meet."""
    wait = "touch /m/{0}; for i in $(seq 600); do [ -e /m/{1} ] && exit 0; sleep 0.1; done; exit 1"
    mount = "--mount=type=cache,target=/m,id=meeting"
    bench.build(
        f"FROM tiny AS a\nRUN {mount} {wait.format('a', 'b')}\nFROM tiny AS b\nRUN {mount} {wait.format('b', 'a')}\n"
        "FROM scratch\nCOPY --from=a /etc/passwd /1\nCOPY --from=b /etc/passwd /2\n",
        team=f"side {tmp_path}",
    )


def test_the_same_input_gives_the_same_digest(bench: Workbench) -> None:
    text = "FROM tiny\nCOPY f /d/\nRUN mkdir /made && echo x > /made/f && ln -s f /made/l\nWORKDIR /made/w\n"
    results = {
        bench.build(text, {"f": "F"}, team="same", no_cache=True, source_date_epoch=1_700_000_000).result.image_id
        for _ in range(2)
    }
    assert len(results) == 1
    config = bench.config(bench.build(text, {"f": "F"}, team="same", source_date_epoch=1_700_000_000))
    assert config["created"] == "2023-11-14T22:13:20Z"


def test_pruned_layers_go_unless_an_image_has_them(bench: Workbench) -> None:
    builder = bench.engine.builder
    kept = bench.build("FROM tiny\nRUN head -c 100000 /dev/urandom > /kept\n", team="prune", tags=("prune:kept",))
    gone = bench.build("FROM tiny\nRUN head -c 200000 /dev/urandom > /gone\n", team="prune")
    bench.engine.image_remove(gone.result.image_id)
    usage = builder.disk_usage("prune")
    assert (len(usage.steps), usage.layers_bytes) == (2, 200_000)
    report = builder.prune(PruneRules(team="prune"))
    assert report.steps == 2
    assert report.reclaimed_bytes >= 200_000
    assert builder.disk_usage("prune").steps == ()
    assert bench.files(kept)["kept"].kind == "f"
    with pytest.raises(EngineError):
        bench.engine.images.get(gone.result.image_id)


def test_a_cached_layer_outlives_its_image(bench: Workbench) -> None:
    text = "FROM tiny\nRUN date +%s%N > /when\n"
    first = bench.build(text, team="outlives", tags=("outlives",))
    bench.engine.image_remove("outlives", force=True)
    bench.engine.image_prune()
    second = bench.build(text, team="outlives")
    assert second.result.image_id == first.result.image_id
    assert second.result.cached == 2
