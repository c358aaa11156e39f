"""`portside` before a site that says what a test wants: words in, output and exit codes out."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from client.cli import catalog
from client.cli.main import main
from client.cli.shell import parser_of
from tests.client.conftest import TOKEN
from tests.client.fake_site import Asked, Connection, FakeSite, Said

ROOT = Path(__file__).resolve().parents[2]
ID = "c0ffee" + "0" * 58


def container(**more: Any) -> dict[str, Any]:
    return {
        "id": ID, "short_id": ID[:12], "name": "web", "image": "nginx:1", "image_id": "sha256:1", "status": "running",
        "host": {"id": "h", "name": "one"}, "team": {"id": "t", "name": "Blue"}, "entrypoint": None,
        "command": ["nginx", "-g", "daemon off"], "created_at": "2026-08-01T00:00:00Z", "mounted": [], "networks": [],
        "started_at": "2026-08-01T00:00:00Z", "finished_at": None, "exit_code": None, "health": None,
        "ports": [{"container": 80, "host": 8080, "protocol": "tcp", "address": "127.0.0.1"}], "network": "bridge",
        "tty": False, "stdin_open": False, "labels": {"a": "b"}, **more,
    }  # fmt: skip


def rows(*found: Any) -> dict[str, Any]:
    return {"results": list(found), "next": None, "count": len(found), "previous": None}


def job(status: str = "succeeded", **more: Any) -> dict[str, Any]:
    return {
        "id": "7" * 36,
        "status": status,
        "result": {},
        "error": None,
        "progress": {"phase": "", "items": []},
        **more,
    }


@pytest.fixture(autouse=True)
def signed_in(fake_site: FakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTSIDE_CONFIG", str(tmp_path / "config.json"))
    monkeypatch.setenv("PORTSIDE_URL", fake_site.url)
    monkeypatch.setenv("PORTSIDE_TOKEN", TOKEN)
    fake_site.on("GET", f"/api/v1/jobs/{'7' * 36}/", job())
    fake_site.on("GET", "/api/v1/containers/", rows(container()))


ACCEPTED = Said(202, {"job": {"id": "7" * 36, "url": "/"}})
MADE = Said(202, {"job": {"id": "7" * 36, "url": "/"}, "container": container()})


def test_ps_has_dockers_table_and_formats(fake_site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    other = container(id="d" * 64, short_id="d" * 12, name="db", status="stopped", exit_code=3, labels={})
    fake_site.on("GET", "/api/v1/containers/", rows(container(), other))
    assert main(["ps"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "HOST", "NAMES"]
    assert "127.0.0.1:8080->80/tcp" in table[1]
    assert len(table) == 2
    assert main(["ps", "-aq"]) == 0
    assert capsys.readouterr().out.split() == [ID[:12], "d" * 12]
    assert main(["ps", "-a", "--format", "{{.Names}} {{.State}} {{.Labels}}"]) == 0
    assert capsys.readouterr().out.splitlines() == ["web running a=b", "db exited "]
    assert main(["ps", "-a", "--format", "table {{.Names}}\t{{.Host}}"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["NAMES", "HOST"],
        ["web", "one"],
        ["db", "one"],
    ]
    assert main(["ps", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["Names"] == "web"
    assert main(["ps", "-a", "--json"]) == 0
    assert [row["exit_code"] for row in json.loads(capsys.readouterr().out)] == [None, 3]
    for wish, count in (("label=a", 1), ("label=a=c", 0), ("exited=3", 1), ("ancestor=nginx:1", 2), ("name=D", 1)):
        assert main(["ps", "-aq", "--filter", wish]) == 0
        assert len(capsys.readouterr().out.split()) == count, wish
    for wishes, found in (  # as docker: any of the values of one filter, all of the labels
        (("name=web", "name=db"), "web db"), (("status=running", "status=exited"), "web db"),
        (("name=db", "status=running"), ""), (("label=a", "label=b"), ""), (("label=a", "label=a=b"), "web"),
        (("host=one", "host=two"), "web db"),
    ):  # fmt: skip
        assert main(["ps", "--format", "{{.Names}}", "-a", *(f"--filter={wish}" for wish in wishes)]) == 0
        assert capsys.readouterr().out.split() == found.split(), wishes
    assert set(fake_site.asked[-1].query) == {"page_size"}  # the site takes one of each
    assert main(["ps", "--filter", "colour=red"]) == 2
    assert "ancestor" in capsys.readouterr().err


def test_names_and_beginnings_of_ids_are_taken(fake_site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    def listed(asked: Asked) -> Said:
        return Said(body=rows(*([] if "name" in asked.query else [container(), container(id="c0ffff" + "1" * 58)])))

    fake_site.http["GET", "/api/v1/containers/"] = listed
    fake_site.on("POST", f"/api/v1/containers/{ID}/stop/", ACCEPTED)
    assert main(["stop", "-t", "3", "c0ffee"]) == 0
    assert fake_site.asked[-2].json == {"timeout_seconds": 3.0, "signal": None}
    assert main(["stop", "c0ff", "nothing"]) == 1
    told = capsys.readouterr()
    assert told.out == "c0ffee\n"
    assert "may be 2 of the containers" in told.err
    assert "there is no container nothing" in told.err


def test_a_name_on_two_hosts_asks_for_one(fake_site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    fake_site.on("GET", "/api/v1/containers/", rows(container(), container(host={"id": "i", "name": "two"})))
    assert main(["inspect", "web"]) == 1
    assert "--host one of one, two" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--host", "two", "ps"], ["ps", "--host", "two"], ["ps", "--host=two"]])
def test_what_is_said_of_all_commands_stands_anywhere(fake_site: FakeSite, words: list[str]) -> None:
    assert main(words) == 0
    assert fake_site.asked[-1].query["host"] == ["two"]


def test_run_reads_dockers_flags_and_tells_the_id(fake_site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    fake_site.on("POST", "/api/v1/containers/", MADE)
    words = [
        "run",
        "-d",
        "--rm",
        "--name",
        "web",
        "-p",
        "8080:80",
        "-e",
        "A=1",
        "-v",
        "data:/d",
        "-m",
        "64m",
        "nginx:1",
    ]
    assert main([*words, "sh", "-c", "x", "--host", "is-the-commands"]) == 0
    assert capsys.readouterr().out == f"{ID}\n"
    body = next(one for one in fake_site.asked if one.method == "POST").json
    assert body["command"] == ["sh", "-c", "x", "--host", "is-the-commands"]
    assert (body["auto_remove"], body["start"], body["memory_bytes"], body["env"]) == (True, True, 64 << 20, {"A": "1"})
    assert body["ports"] == [{"container": 80, "host": 8080, "host_last": None, "protocol": "tcp"}]
    assert "id" not in body


def session(*parts: bytes, code: int = 0) -> Any:
    async def attach(connection: Connection) -> None:
        await connection.hear()
        await connection.say(type="opened", session="s")
        await connection.say(type="attached", run=1, tty=False)
        cursor = 0
        for part in parts:
            cursor += len(part) - 1
            await connection.give(part[:1] + cursor.to_bytes(8, "big") + part[1:])
        await connection.say(type="end", exit_code=code)
        await connection.hear()

    return attach


def test_run_in_the_foreground_ends_as_the_container(fake_site: FakeSite, capfd: pytest.CaptureFixture[str]) -> None:
    fake_site.on("POST", "/api/v1/containers/", MADE)
    fake_site.on("POST", f"/api/v1/containers/{ID}/start/", ACCEPTED)
    fake_site.sockets[f"/ws/containers/{ID}/attach/"] = session(b"\x01out", b"\x02err", code=9)
    assert main(["run", "nginx:1"]) == 9
    assert capfd.readouterr() == ("out", "err")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('exec: "x": executable file not found in $PATH', 127),
        ('exec: "/x": stat /x: no such file or directory', 127),
        ('exec: "/x": permission denied', 126),
        ("no memory left", 125),
    ],
)
def test_a_start_that_fails_has_dockers_exit_codes(
    fake_site: FakeSite, capfd: pytest.CaptureFixture[str], message: str, code: int
) -> None:
    started = iter([job(), job("failed", error={"family": "invalid_argument", "message": message})])
    fake_site.http["GET", f"/api/v1/jobs/{'7' * 36}/"] = lambda _: Said(body=next(started, job()))
    fake_site.on("POST", "/api/v1/containers/", MADE)
    fake_site.on("POST", f"/api/v1/containers/{ID}/start/", ACCEPTED)
    fake_site.on("DELETE", f"/api/v1/containers/{ID}/", ACCEPTED)
    fake_site.sockets[f"/ws/containers/{ID}/attach/"] = session(code=127)
    assert main(["run", "--rm", "nginx:1", "x"]) == code
    assert message in capfd.readouterr().err
    assert fake_site.times("DELETE", f"/api/v1/containers/{ID}/") == 1


def test_exec_gives_its_exit_code(fake_site: FakeSite, capfd: pytest.CaptureFixture[str]) -> None:
    fake_site.sockets[f"/ws/containers/{ID}/exec/"] = session(b"\x01in", code=3)
    assert main(["exec", "web", "sh"]) == 3
    assert capfd.readouterr().out == "in"
    assert main(["exec", "web"]) == 125


def test_exec_leaves_what_is_detached_alone(fake_site: FakeSite, capfd: pytest.CaptureFixture[str]) -> None:
    begun = {"exec": {"id": "5e" * 32, "url": f"/api/v1/containers/{ID}/execs/{'5e' * 32}/"}}
    fake_site.http["POST", f"/api/v1/containers/{ID}/exec/"] = lambda _: Said(202, begun)
    assert main(["exec", "-d", "-e", "A=1", "-u", "12", "web", "sleep", "9"]) == 0
    assert capfd.readouterr().out == ""
    asked = fake_site.asked[-1].json
    assert asked == {"command": ["sleep", "9"], "user": "12", "env": {"A": "1"}, "detach": True}
    assert main(["exec", "--json", "-d", "web", "true"]) == 0
    assert json.loads(capfd.readouterr().out) == begun
    refused = {"status": 400, "family": "invalid_argument", "detail": 'exec: "x": executable file not found in $PATH'}
    fake_site.http["POST", f"/api/v1/containers/{ID}/exec/"] = lambda _: Said(400, refused)
    assert main(["exec", "-d", "web", "x"]) == 127


def test_logs_go_where_they_came_from(fake_site: FakeSite, capfd: pytest.CaptureFixture[str]) -> None:
    chunks = [{"stream": "stdout", "at": 0.5, "text": "a\nb"}, {"stream": "stderr", "at": 1, "text": "E\n"}]
    page = {"cursor": 9, "chunks": [*chunks, {"stream": "stdout", "at": 2, "text": "c\n"}]}
    empty: dict[str, Any] = {"cursor": 9, "chunks": []}
    path = f"/api/v1/containers/{ID}/logs/"
    fake_site.on("GET", path, page, empty)
    assert main(["logs", "--tail", "5", "--since", "2026-08-01T00:00:00Z", "web"]) == 0
    assert capfd.readouterr() == ("a\nbc\n", "E\n")
    asked = next(one for one in fake_site.asked if one.path == path)
    assert (asked.query["tail"], float(asked.query["since"][0])) == (["5"], 1785542400.0)
    fake_site.on("GET", path, page, empty)
    assert main(["logs", "-t", "web"]) == 0
    moment = "1970-01-01T00:00:0"
    assert capfd.readouterr().out == f"{moment}0.500000Z a\n{moment}0.500000Z bc\n"
    assert main(["logs", "--tail", "x", "web"]) == main(["logs", "--since", "2026-99-01", "web"]) == 2


def test_a_missing_right_or_field_is_said_in_lines(fake_site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    problem = {
        "detail": "Some fields are wrong: see errors.",
        "family": "invalid_argument",
        "errors": {"image": ["bad\x1b[2J"]},
    }
    fake_site.on("POST", "/api/v1/containers/", Said(400, problem))
    assert main(["create", "x"]) == 1
    assert main(["run", "x"]) == 125
    told = capsys.readouterr().err
    assert "Some fields are wrong" in told
    assert "  image: bad" in told
    assert "\x1b" not in told


def test_what_is_no_command_says_what_may_be_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pss"]) == 2
    assert "did you mean `portside ps`" in capsys.readouterr().err
    assert main(["volume"]) == 2
    assert "create" in capsys.readouterr().err
    assert main(["ps", "--al"]) == 2
    assert main(["run", "--nothing", "x"]) == 125
    assert main(["run", "--gpus", "all", "x"]) == 125
    assert "No driver of GPUs" in capsys.readouterr().err


def test_each_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    commands = list(catalog.all_commands())
    assert len({command.words for command in commands}) == len(commands)
    for command in commands:
        assert main([*command.words, "--help"]) == 0
        assert command.help in capsys.readouterr().out
        assert all(action.help != "" for action in parser_of(command)._actions)
    assert main([]) == main(["help"]) == main(["--help"]) == main(["help", "ps"]) == main(["volume", "--help"]) == 0
    assert "exec" in capsys.readouterr().out


def test_any_request_may_be_sent(fake_site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    fake_site.on("GET", "/api/v1/hosts/", Said(200, rows({"id": "h"}), {"Content-Type": "application/json"}))
    assert main(["api", "hosts", "--paginate"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"id": "h"}]
    fake_site.on("POST", "/api/v1/networks/", Said(202, {"job": None}, {"Content-Type": "application/json"}))
    assert main(["api", "networks", "-f", "name=n", "-F", "mtu=1400", "-F", "internal=true"]) == 0
    assert fake_site.asked[-1].json == {"name": "n", "mtu": 1400, "internal": True}
    assert main(["api", "delete", "networks/5"]) == 1
    assert (fake_site.asked[-1].method, fake_site.asked[-1].path) == ("DELETE", "/api/v1/networks/5/")
    assert main(["api", "FETCH", "x"]) == 2


def test_nothing_is_pruned_without_a_yes(
    fake_site: FakeSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    would = {
        "images": [{"id": "sha256:1", "tags": ["a"], "size_bytes": 1, "unique_bytes": 1}],
        "reclaimed_bytes": 1,
        "job": None,
    }
    fake_site.on("POST", "/api/v1/images/prune/", would)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert main(["images", "prune"]) == 2
    assert "--force" in capsys.readouterr().err
    assert [one.json["dry_run"] for one in fake_site.asked] == [True]


def test_prunes_take_dockers_filters(
    fake_site: FakeSite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_site.on("POST", "/api/v1/volumes/prune/", {"volumes": [], "job": None})
    fake_site.on("POST", "/api/v1/networks/prune/", {"networks": [], "job": None})
    fake_site.on("POST", "/api/v1/containers/prune/", {"containers": [{"id": "1", "name": "old", "job": None}]})
    labels = ["--filter", "label=stage=test", "--filter", "label!=keep", "--filter", "label!=a=b"]
    assert main(["volume", "prune", "-a", *labels]) == 0
    wanted = {"host": None, "labels": ["stage=test"], "not_labels": ["keep", "a=b"]}
    assert fake_site.asked[-1].json == {"all": True, "dry_run": True, **wanted}
    assert main(["network", "prune", *labels, "--filter", "until=1700000000"]) == 0
    assert fake_site.asked[-1].json == {"dry_run": True, **wanted, "until": 1700000000}
    assert main(["container", "prune", "--dry-run", *labels]) == 0
    assert fake_site.asked[-1].json == {"dry_run": True, **wanted}
    assert capsys.readouterr().out == "old\n"
    asked = len(fake_site.asked)
    for words in (
        ["volume", "prune", "--filter", "until=24h"],
        ["network", "prune", "--filter", "until=1h", "--filter", "until=2h"],
        ["images", "prune", "--filter", "label"],
        ["system", "prune", "-f", "--volumes", "--filter", "until=24h"],
    ):
        assert main(words) == 2
        assert "--filter" in capsys.readouterr().err
    assert len(fake_site.asked) == asked


def test_completion_offers_commands_flags_and_names(capsys: pytest.CaptureFixture[str]) -> None:
    for words, offered in (
        ([""], "ps"), (["vol"], "volume"), (["volume", ""], "prune"), (["run", "--pub"], "--publish"),
        (["logs", ""], "web"), (["stop", "-t", "3", "w"], "web"),
    ):  # fmt: skip
        assert main(["__complete", "--", *words]) == 0
        assert offered in capsys.readouterr().out.split()
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert "portside __complete" in capsys.readouterr().out
    script = subprocess.run(
        [sys.executable, "-m", "client", "completion", "bash"], capture_output=True, cwd=ROOT, check=True
    )
    subprocess.run(["bash", "-n"], input=script.stdout, check=True)


def test_nobody_sees_a_traceback(fake_site: FakeSite, capsys: pytest.CaptureFixture[str]) -> None:
    fake_site.on("GET", "/api/v1/containers/", {"results": [{"odd": 1}], "next": None})
    assert main(["ps"]) == 1
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "PORTSIDE_TRACEBACK" in told
    fake_site.on(
        "GET", "/api/v1/containers/", Said(401, {"detail": "The token is unknown.", "family": "unauthenticated"})
    )
    assert main(["ps"]) == 1
    assert "portside login" in capsys.readouterr().err


def test_who_stops_reading_ends_it_in_silence() -> None:
    """As `portside ps | head -1` does; here the reader has gone before anything is written."""
    for words in (["ps"], ["--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            done = subprocess.run(
                [sys.executable, "-m", "client", *words], stdout=pipe, stderr=subprocess.PIPE, cwd=ROOT, check=False
            )
        assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_the_executable_finds_its_python() -> None:
    done = subprocess.run(
        [ROOT / "portside", "version", "--json"], capture_output=True, text=True, check=True, cwd="/",
        env={**os.environ, "PYTHON": sys.executable, "PORTSIDE_URL": "", "PORTSIDE_TOKEN": ""},
    )  # fmt: skip
    assert json.loads(done.stdout)["hosts"] == {}
