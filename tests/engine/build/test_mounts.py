"""RUN --mount: what the command sees, and that none of it stays."""

from __future__ import annotations

import json
import subprocess

import pytest

from engine.build.cache_mounts import CacheMounts
from engine.build.pruning import PruneRules
from engine.errors import NotFound
from tests.support.builds import Built, Workbench

pytestmark = pytest.mark.root

SECRET = b"a word that nobody may see"


def everywhere(bench: Workbench, built: Built) -> bytes:
    """All that a home keeps of a build: layers, blobs, the database; and what the build has told.

    Another process reads it: one that opens the database's file and closes it again loses the locks by which SQLite
    tells others that it is at work (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    found = [built.log().encode(), json.dumps(bench.config(built)).encode()]
    home = str(bench.engine.config.home)
    reading = ["find", home, "-type", "f", "-exec", "cat", "{}", "+"]
    found.append(subprocess.run(reading, capture_output=True, check=True).stdout)
    return b"\0".join(found)


def test_a_secret_is_seen_and_stays_nowhere(bench: Workbench) -> None:
    built = bench.build(
        "FROM tiny\nRUN --mount=type=secret,id=word,mode=0440,uid=1000,gid=50 wc -c < /run/secrets/word > /size "
        "&& stat -c '%a %u %g' /run/secrets/word > /facts\n"
        "RUN --mount=type=secret,id=word,target=/etc/deep/word test -s /etc/deep/word\n"
        "RUN --mount=type=secret,id=word,env=WORD [ ! -e /run/secrets/word ] && echo ${#WORD} > /length\n",
        secrets={"word": SECRET},
        team="secrets",
    )
    files = bench.files(built)
    assert files["size"].content.split() == [str(len(SECRET)).encode()]
    assert files["facts"].content.split() == [b"440", b"1000", b"50"]
    assert files["length"].content.split() == [str(len(SECRET)).encode()]
    assert "run/secrets" not in files
    assert "etc/deep" not in files
    assert SECRET not in everywhere(bench, built)


def test_another_value_of_a_secret_builds_nothing_again(bench: Workbench) -> None:
    text = "FROM tiny\nRUN --mount=type=secret,id=word cat /run/secrets/word | wc -c > /size\n"
    bench.build(text, secrets={"word": b"one"}, team="secret value")
    assert bench.build(text, secrets={"word": b"three"}, team="secret value").states()["0.1"] == "cached"


def test_a_large_secret_in_many_steps(bench: Workbench) -> None:
    """More than all of them together would have room for in memory."""
    run = "RUN --mount=type=secret,id=word cp /run/secrets/word /dev/null\n"
    mounts = "".join(f" --mount=type=secret,id=word,target=/s{number}" for number in range(60))
    bench.build(
        f"FROM tiny\nRUN{mounts} true\nRUN{mounts} true 2\nRUN{mounts} true 3\n{run}", secrets={"word": b"x" * 500_000}
    )


def test_a_secret_that_was_not_given(bench: Workbench) -> None:
    built = bench.build("FROM tiny\nRUN --mount=type=secret,id=word ls /run > /seen\n")
    assert b"secrets" not in bench.files(built)["seen"].content
    with pytest.raises(NotFound, match="required"):
        bench.build("FROM tiny\nRUN --mount=type=secret,id=word,required true\n")


def test_a_cache_stays_from_build_to_build_but_in_no_layer(bench: Workbench) -> None:
    mount = "--mount=type=cache,target=/var/kept,mode=0770,uid=1000"
    text = f"FROM tiny\nRUN {mount} echo {{0}} >> /var/kept/list; cp /var/kept/list /seen\n"
    bench.build(text.format("one"), team="cache")
    built = bench.build(text.format("two"), team="cache")
    files = bench.files(built)
    assert files["seen"].content == b"one\ntwo\n"
    assert "var/kept" not in files
    other = bench.build(text.format("three"), team="another cache")
    assert bench.files(other)["seen"].content == b"three\n"
    mounts = bench.engine.builder.disk_usage("cache").mounts
    assert [mount.id for mount in mounts] == ["/var/kept"]


def test_a_pruned_cache_leaves_nothing_and_one_in_use_stays(bench: Workbench) -> None:
    caches = CacheMounts(bench.engine.config.builds / "caches")
    with caches.hold("pruned", "/one", "private", fill=lambda _: None, cancelled=lambda: False) as files:
        (files / "kept").write_text("kept")
        place = files.parent.parent
        report = bench.engine.builder.prune(PruneRules(team="pruned"))
        assert (report.mounts, (files / "kept").exists()) == (0, True)
    assert bench.engine.builder.prune(PruneRules(team="pruned")).mounts == 1
    assert not place.exists()
    assert bench.engine.builder.disk_usage("pruned").mounts == ()
    with caches.hold("pruned", "/one", "locked", fill=lambda _: None, cancelled=lambda: False) as files:
        assert list(files.iterdir()) == []


def test_a_cache_that_is_locked_is_one_runs_at_a_time(bench: Workbench) -> None:
    run = "RUN --mount=type=cache,target=/m,sharing=locked [ ! -e /m/here ] && touch /m/here && sleep 0.3 && rm /m/here"
    stages = "".join(f"FROM tiny AS s{number}\n{run} && echo {number} > /n\n" for number in range(3))
    copies = "".join(f"COPY --from=s{number} /n /{number}\n" for number in range(3))
    assert set(bench.files(bench.build(f"{stages}FROM scratch\n{copies}", team="locked"))) == {"0", "1", "2"}


def test_binds_of_the_context(bench: Workbench) -> None:
    built = bench.build(
        "FROM tiny\nRUN --mount=target=/src cat /src/a /src/d/b > /seen && ! touch /src/new && ls /src > /names\n"
        "RUN --mount=type=bind,source=d/b,target=/one cat /one >> /seen\n"
        "RUN --mount=type=bind,target=/src,rw echo changed > /src/a && cat /src/a >> /seen\n",
        {"a": "A\n", "d/b": "B\n", "hidden": "H", ".dockerignore": "hidden\n"},
    )
    files = bench.files(built)
    assert files["seen"].content == b"A\nB\nB\nchanged\n"
    assert b"hidden" not in files["names"].content
    assert "src" not in files
    assert "one" not in files


def test_a_bind_counts_by_its_content(bench: Workbench) -> None:
    text = "FROM tiny\nRUN --mount=target=/src,source=d cat /src/f > /f\n"
    bench.build(text, {"d/f": "1", "x": "1"}, team="binds")
    assert bench.build(text, {"d/f": "1", "x": "2"}, team="binds").states()["0.1"] == "cached"
    built = bench.build(text, {"d/f": "2", "x": "2"}, team="binds")
    assert bench.files(built)["f"].content == b"2"


def test_binds_of_a_stage_and_an_image(bench: Workbench) -> None:
    built = bench.build(
        "FROM tiny AS maker\nRUN mkdir /out && echo made > /out/f && chown app /out/f\n"
        "FROM tiny\nRUN --mount=from=maker,source=/out,target=/in cat /in/f > /seen && stat -c %u /in/f >> /seen\n"
        "RUN --mount=from=tiny,source=/etc/group,target=/g head -n 1 /g >> /seen\n"
    )
    assert bench.files(built)["seen"].content == b"made\n1000\nroot:x:0:\n"


def test_memory(bench: Workbench) -> None:
    built = bench.build(
        "FROM tiny\nRUN --mount=type=tmpfs,target=/m,size=1m echo x > /m/x && df -m /m | tail -n 1 > /df\n"
    )
    files = bench.files(built)
    assert b"/m" in files["df"].content
    assert "m" not in files
