"""Which site is asked, and where its token lies."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from client.cli.contexts import Context, Contexts
from client.cli.main import main
from client.errors import InvalidArgument, NotFound, Unauthenticated
from tests.client.conftest import TOKEN
from tests.client.fake_site import FakeSite, Said, running
from tests.support.certificates import self_signed

TEAMS = {"results": [{"id": "t", "name": "Blue", "role": "operator"}], "next": None}


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PORTSIDE_URL", "PORTSIDE_TOKEN", "PORTSIDE_CONTEXT", "PORTSIDE_CA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PORTSIDE_CONFIG", str(tmp_path / "deep" / "config.json"))
    return tmp_path / "deep" / "config.json"


def test_signing_in_tries_the_token_and_keeps_it_for_its_owner_alone(
    fake_site: FakeSite, nobody: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_site.on("GET", "/api/v1/teams/", TEAMS)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{TOKEN}\n"))
    assert main(["login", "--token-stdin", "--name", "work", fake_site.url]) == 0
    said = capsys.readouterr()
    assert "operator of Blue" in said.out
    assert TOKEN not in said.out + said.err
    assert stat.S_IMODE(nobody.stat().st_mode) == 0o600
    assert stat.S_IMODE(nobody.parent.stat().st_mode) == 0o700
    assert json.loads(nobody.read_text())["contexts"]["work"]["token"] == TOKEN
    assert main(["whoami"]) == 0
    assert capsys.readouterr().out == f"{fake_site.url} (context work): operator of Blue\n"
    assert fake_site.asked[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert main(["logout"]) == 0
    assert TOKEN not in nobody.read_text()


def test_certificates_are_found_from_other_directories(
    nobody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = self_signed(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{TOKEN}\n"))
    with running((certificate, key)) as site:
        site.on("GET", "/api/v1/teams/", TEAMS)
        assert main(["login", "--token-stdin", "--ca", certificate.name, site.url]) == 0
        monkeypatch.chdir("/")
        assert main(["whoami"]) == 0
    assert [context["ca"] for context in json.loads(nobody.read_text())["contexts"].values()] == [str(certificate)]


def test_a_token_that_is_refused_is_not_kept(
    fake_site: FakeSite, nobody: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"detail": "The token is unknown or was revoked.", "family": "unauthenticated"}
    fake_site.on("GET", "/api/v1/teams/", Said(401, refusal))
    monkeypatch.setattr("sys.stdin", io.StringIO("wrong\n"))
    assert main(["login", "--token-stdin", fake_site.url]) == 1
    said = capsys.readouterr().err
    assert "revoked" in said
    assert "wrong" not in said
    assert not nobody.exists()


def test_contexts_are_chosen_by_name_environment_and_use(nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unauthenticated, match="portside login"):
        Contexts.usual().chosen()
    known = Contexts.usual()
    known.put("a", Context("https://a.example", "1"))
    known.put("b", Context("https://b.example", "2", host="h"))
    assert Contexts.usual().chosen()[0] == "b"
    assert Contexts.usual().chosen("a")[1].url == "https://a.example"
    Contexts.usual().use("a")
    assert Contexts.usual().chosen()[0] == "a"
    monkeypatch.setenv("PORTSIDE_CONTEXT", "b")
    assert Contexts.usual().chosen()[0] == "b"
    monkeypatch.setenv("PORTSIDE_URL", "https://c.example")
    with pytest.raises(Unauthenticated, match="PORTSIDE_TOKEN"):
        Contexts.usual().chosen()
    monkeypatch.setenv("PORTSIDE_TOKEN", "3")
    assert Contexts.usual().chosen() == ("environment", Context("https://c.example", "3"))
    assert Contexts.usual().chosen("a")[1] == Context("https://a.example", "1")  # 3 is for c.example alone
    with pytest.raises(NotFound, match="context ls"):
        Contexts.usual().chosen("nothing")
    monkeypatch.delenv("PORTSIDE_URL")
    assert Contexts.usual().chosen("a")[1] == Context("https://a.example", "3")
    with pytest.raises(InvalidArgument):
        known.put("../x", Context("https://x", "1"))
    assert "1" not in repr(known.known["a"]).replace("https://a.example", "")


def test_a_file_that_others_may_read_is_closed_and_a_broken_one_is_said(nobody: Path) -> None:
    Contexts.usual().put("a", Context("https://a.example", "1"))
    nobody.chmod(0o644)
    Contexts.usual()
    assert stat.S_IMODE(nobody.stat().st_mode) == 0o600
    nobody.write_text("{")
    with pytest.raises(InvalidArgument, match="portside login"):
        Contexts.usual()


def test_contexts_are_listed_without_tokens(nobody: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Contexts.usual().put("a", Context("https://a.example", "secret-1"))
    Contexts.usual().put("b", Context("https://b.example", "secret-2"))
    assert main(["context", "ls"]) == main(["context", "ls", "--json"]) == main(["context", "use", "a"]) == 0
    assert main(["context", "rm", "b"]) == 0
    said = capsys.readouterr().out
    assert "https://b.example" in said
    assert "secret" not in said
    assert main(["context", "rm", "b"]) == 1
