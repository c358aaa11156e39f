"""COPY's rules: where what goes, whose it is, and what never gets out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import EngineError, InvalidArgument, NotFound
from tests.support.builds import Content, File, Workbench, fill

pytestmark = pytest.mark.root

FILES: dict[str, Content] = {
    "a.txt": "A",
    "b.txt": "B",
    "dir/inner.txt": "inner",
    "dir/deep/er.txt": "deeper",
    "link": "-> a.txt",
    "dirlink": "-> dir",
}


def built(bench: Workbench, lines: str, files: dict[str, Content] | None = None) -> dict[str, File]:
    """What a Dockerfile of these lines leaves on scratch."""
    return bench.files(bench.build(f"FROM scratch\n{lines}", FILES if files is None else files))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("COPY a.txt /x", {"x"}),
        ("COPY a.txt /x/", {"x", "x/a.txt"}),
        ("COPY a.txt x", {"x"}),
        ("COPY dir /x", {"x", "x/inner.txt", "x/deep", "x/deep/er.txt"}),
        ("COPY dir/ /x/", {"x", "x/inner.txt", "x/deep", "x/deep/er.txt"}),
        ("COPY dir .", {"inner.txt", "deep", "deep/er.txt"}),
        ("COPY *.txt /x/", {"x", "x/a.txt", "x/b.txt"}),
        ("COPY [ab].txt dir /x/", {"x", "x/a.txt", "x/b.txt", "x/inner.txt", "x/deep", "x/deep/er.txt"}),
        ("COPY link /x/", {"x", "x/link"}),
        ("COPY dirlink /x", {"x", "x/inner.txt", "x/deep", "x/deep/er.txt"}),
        ("COPY dir/*/er.txt /x/y/z/", {"x", "x/y", "x/y/z", "x/y/z/er.txt"}),
        ("WORKDIR /w\nCOPY a.txt ./", {"w", "w/a.txt"}),
        ("COPY a.txt /x\nCOPY b.txt /x", {"x"}),
        ("COPY --parents dir/deep/er.txt a.txt /x/", {"x", "x/a.txt", "x/dir", "x/dir/deep", "x/dir/deep/er.txt"}),
        ("COPY --parents dir/./deep /x/", {"x", "x/deep", "x/deep/er.txt"}),
        ("COPY --parents **/*.txt /", {"a.txt", "b.txt", "dir", "dir/inner.txt", "dir/deep", "dir/deep/er.txt"}),
        ("COPY --exclude=*.txt --exclude=**/er.txt dir /x", {"x", "x/deep"}),
        ("COPY --exclude=dir . /x", {"x", "x/a.txt", "x/b.txt", "x/link", "x/dirlink"}),
        ("COPY --link a.txt /x/", {"x", "x/a.txt"}),
    ],
)  # fmt: skip
def test_where_it_goes(bench: Workbench, lines: str, expected: set[str]) -> None:
    assert set(built(bench, lines)) == expected


def test_a_link_is_followed_as_a_source_and_kept_below_one(bench: Workbench) -> None:
    files = built(bench, "COPY link /one\nCOPY . /all")
    assert files["one"].content == b"A"
    assert (files["all/link"].kind, files["all/link"].content) == ("l", b"a.txt")
    assert (files["all/dirlink"].kind, files["all/dirlink"].content) == ("l", b"dir")


def test_everything_is_roots_unless_chown_says_otherwise(bench: Workbench, tmp_path: Path) -> None:
    fill(tmp_path, {"d/f": "x"})
    for path in (tmp_path / "d", tmp_path / "d/f"):
        os.chown(path, 4711, 4712)
    result = bench.build(
        "FROM tiny\nCOPY d /plain/\nCOPY --chown=app d /named/\nCOPY --chown=app:staff d /both/\n"
        "COPY --chown=7:8 d /numbers/\nCOPY --chown=9 d /one/\n",
        tmp_path,
    )
    files = bench.files(result)
    owners = {name: files[name][2:4] for name in ("plain/f", "named/f", "both/f", "numbers/f", "one/f", "named")}
    assert owners == {
        "plain/f": (0, 0),
        "named/f": (1000, 1000),
        "both/f": (1000, 50),
        "numbers/f": (7, 8),
        "one/f": (9, 9),
        "named": (1000, 1000),
    }


def test_a_name_that_the_image_does_not_know(bench: Workbench) -> None:
    with pytest.raises(InvalidArgument, match="nobody-here"):
        bench.build("FROM tiny\nCOPY --chown=nobody-here a.txt /\n", FILES)


def test_modes(bench: Workbench, tmp_path: Path) -> None:
    fill(tmp_path, {"d/run": "x", "d/read": "y"})
    (tmp_path / "d/run").chmod(0o4755)
    (tmp_path / "d/read").chmod(0o640)
    (tmp_path / "d").chmod(0o1777)
    files = bench.files(
        bench.build(
            "FROM scratch\nCOPY d /kept/\nCOPY --chmod=600 d /octal/\nCOPY --chmod=u=rwX,go=rX d /words/\n", tmp_path
        )
    )
    modes = {name: oct(found.mode) for name, found in files.items()}
    assert modes == {
        "kept": "0o755",
        "kept/run": "0o4755",
        "kept/read": "0o640",
        "octal": "0o600",
        "octal/run": "0o600",
        "octal/read": "0o600",
        "words": "0o755",
        "words/run": "0o755",
        "words/read": "0o644",
    }


def test_directories_that_are_there_are_filled(bench: Workbench) -> None:
    result = bench.build(
        "FROM tiny\nRUN mkdir -m 700 /d /d/deep && chown 5:5 /d && echo old > /d/old && ln -s d /to\nCOPY dir /to\n",
        FILES,
    )
    files = bench.files(result)
    assert files["d"][1:4] == (0o700, 5, 5)
    assert files["d/deep"][1:4] == (0o755, 0, 0)
    assert files["d/old"].content == b"old\n"
    assert files["d/inner.txt"].content == b"inner"
    assert files["to"].kind == "l"


@pytest.mark.parametrize(
    "lines", ["RUN mkdir /x && touch /x/deep\nCOPY dir /x", "RUN mkdir -p /x/a.txt\nCOPY a.txt /x/"]
)
def test_a_directory_and_a_file_never_take_each_others_place(bench: Workbench, lines: str) -> None:
    with pytest.raises(InvalidArgument):
        bench.build(f"FROM tiny\n{lines}\n", FILES)


def test_several_files_need_a_directory(bench: Workbench) -> None:
    with pytest.raises(InvalidArgument, match="slash"):
        built(bench, "COPY *.txt /x")


def test_from_another_stage_owners_stay(bench: Workbench) -> None:
    result = bench.build(
        "FROM tiny AS maker\nRUN mkdir /out && echo x > /out/f && chown -R app:staff /out\n"
        "FROM scratch\nCOPY --from=maker /out /kept/\nCOPY --from=0 --chown=1 /out/f /given\n"
    )
    files = bench.files(result)
    assert files["kept/f"][2:4] == (1000, 50)
    assert files["given"][2:4] == (1, 1)


def test_links_lead_nowhere_outside(bench: Workbench, tmp_path: Path) -> None:
    """Neither those of the context nor those of the image."""
    secret = tmp_path / "secret"
    secret.write_text("host's own")
    context = tmp_path / "context"
    fill(context, {"up": f"-> {secret}", "climb": "-> ../../../../../../etc", "d/f": "x"})
    with pytest.raises(NotFound):
        bench.build("FROM scratch\nCOPY up /\n", context)
    with pytest.raises(NotFound):
        bench.build("FROM scratch\nCOPY climb/passwd /\n", context)
    with pytest.raises(NotFound):
        bench.build("FROM scratch\nCOPY ../secret /\n", context)
    result = bench.build(
        f"FROM tiny\nRUN ln -s {tmp_path} /out && ln -s ../../../.. /root/up\n"
        "COPY d/f /out/here\nCOPY d/f /root/up/there\n",
        context,
    )
    files = bench.files(result)
    assert str(tmp_path / "here").lstrip("/") in files
    assert "there" in files
    assert not (tmp_path / "here").exists()


def test_hard_links_and_attributes_are_kept(bench: Workbench, tmp_path: Path) -> None:
    fill(tmp_path, {"one": "same"})
    os.link(tmp_path / "one", tmp_path / "two")
    os.setxattr(tmp_path / "one", "user.colour", b"blue")
    result = bench.build("FROM scratch\nCOPY . /\n", tmp_path)
    files = bench.files(result)
    assert files["one"].xattrs == files["two"].xattrs == {"user.colour": b"blue"}
    layer = bench.engine.builder._snapshots.layer_directory(bench.config(result)["rootfs"]["diff_ids"][0])
    assert (layer / "one").samefile(layer / "two")


def test_what_dockerignore_leaves_out_is_not_there(bench: Workbench) -> None:
    files = {**FILES, ".dockerignore": "*.txt\n!b.txt\ndir/deep\n"}
    assert set(built(bench, "COPY . /", files)) == {".dockerignore", "b.txt", "dir", "dir/inner.txt", "link", "dirlink"}
    with pytest.raises(NotFound, match="dockerignore"):
        built(bench, "COPY a.txt /", files)


@pytest.mark.parametrize(
    "lines", ["COPY --chmod=888 a.txt /", "COPY --from=5 a /", "COPY --from=later a /\nFROM scratch AS later"]
)
def test_what_is_refused(bench: Workbench, lines: str) -> None:
    with pytest.raises(EngineError) as raised:
        built(bench, lines)
    assert raised.value.detail["line"] == 2
