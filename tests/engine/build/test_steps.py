"""What each instruction leaves: files and configuration, on the real kernel."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from engine.build.running import Running
from engine.build.spec import UNCONSUMED, BuildLimits, StepFailed
from engine.errors import InvalidArgument, NotFound, PermissionDenied
from tests.support.builds import Workbench

pytestmark = pytest.mark.root


def test_run_sees_the_image_and_leaves_what_it_wrote(bench: Workbench) -> None:
    built = bench.build(
        """
        FROM tiny
        ENV GREETING="hello there"
        RUN echo "$GREETING" > /said && ln -s said /link && mkdir -m 750 /made && rm /etc/not-executable
        """.replace("        ", "")
    )
    files = bench.files(built)
    assert files["said"].content == b"hello there\n"
    assert files["link"].content == b"said"
    assert files["made"].mode == 0o750
    assert "etc/not-executable" not in files
    assert "etc/passwd" in files


def test_run_leaves_nothing_of_what_it_was_given(bench: Workbench) -> None:
    """Names, host name, devices: bound for the run, and in no layer."""
    seen = "! [ -e /etc/mtab ] && cat /etc/hosts /etc/resolv.conf /etc/hostname && ls /dev/null && echo x > /x"
    built = bench.build(f"FROM tiny\nRUN {seen}\n")
    before = bench.files(bench.image)
    after = bench.files(built)
    assert set(after) - set(before) == {"x"}
    assert "localhost" in built.log()


def test_run_on_scratch_needs_no_mount_points_there(bench: Workbench) -> None:
    built = bench.build('FROM scratch\nCOPY --from=tiny /bin/busybox /busybox\nRUN ["/busybox", "touch", "/here"]\n')
    assert set(bench.files(built)) == {"busybox", "here"}


def test_a_run_that_changes_nothing_is_an_empty_layer(bench: Workbench) -> None:
    built = bench.build("FROM tiny\nRUN true\nRUN : something else\n")
    assert bench.files(built) == bench.files(bench.image)
    assert len(bench.config(built)["rootfs"]["diff_ids"]) == 3


def test_a_failing_run_tells_its_exit_code_and_last_words(bench: Workbench) -> None:
    with pytest.raises(StepFailed) as raised:
        bench.build("FROM tiny\nRUN echo first\nRUN printf '10 %%\\r\\033[31mso it goes\\033[0m\\r\\n'; exit 7\n")
    assert raised.value.detail["exit_code"] == 7
    assert raised.value.detail["log"] == ["10 %\r\x1b[31mso it goes\x1b[0m"]
    assert raised.value.detail["line"] == 3
    assert "exit code 7; its last lines:\n    so it goes\n" in raised.value.message
    assert "RUN printf" in raised.value.message


def test_what_a_failed_step_has_left_can_be_looked_into(bench: Workbench) -> None:
    text = "FROM tiny\nENV A=b\nWORKDIR /w\nRUN --mount=type=secret,id=word cp /run/secrets/word /tmp/x; "
    with pytest.raises(StepFailed) as raised:
        bench.build(text + "echo half > done; exit 3\n", keep_failed="feed", secrets={"word": b"w"}, team="failed")
    image = raised.value.detail["image"]
    assert isinstance(image, str)
    assert bench.engine.images.get("failed-step:feed").id == image
    files = bench.files(image)
    assert files["w/done"].content == b"half\n"
    assert "run/secrets/word" not in files or files["run/secrets/word"].content == b""
    config = bench.engine.images.get(image).config
    assert "A=b" in config.env
    assert config.working_dir == "/w"
    with pytest.raises(StepFailed) as raised:  # it was in no cache, and is not offered to who doesn't ask for it
        bench.build(text + "echo half > done; exit 3\n", secrets={"word": b"w"}, team="failed")
    assert "image" not in raised.value.detail
    bench.engine.image_remove("failed-step:feed")


def test_a_failed_step_that_can_not_be_kept_tells_why_it_failed(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Running, "_keep", full)
    with pytest.raises(StepFailed) as raised:
        bench.build("FROM tiny\nRUN echo half > done; exit 3\n", keep_failed="full")
    assert raised.value.detail["exit_code"] == 3
    assert "image" not in raised.value.detail


@pytest.mark.parametrize(("command", "code"), [('["/nowhere"]', 127), ('["/etc/not-executable"]', 126)])
def test_a_program_that_cannot_be_run(bench: Workbench, command: str, code: int) -> None:
    with pytest.raises(StepFailed) as raised:
        bench.build(f"FROM tiny\nRUN {command}\n")
    assert raised.value.detail["exit_code"] == code


def test_user_and_workdir(bench: Workbench) -> None:
    built = bench.build(
        "FROM tiny\nRUN chmod 777 /var\nUSER app\nWORKDIR /home/app/new\nWORKDIR below\nRUN id > who && pwd > where\n"
    )
    files = bench.files(built, "home/app/new")
    assert files["below"][:4] == ("d", 0o755, 1000, 1000)
    assert files["below/who"].content.startswith(b"uid=1000(app) gid=1000(app)")
    assert files["below/where"].content == b"/home/app/new/below\n"
    assert bench.config(built)["config"]["WorkingDir"] == "/home/app/new/below"


def test_shell_and_exec_form(bench: Workbench) -> None:
    built = bench.build(
        'FROM tiny\nSHELL ["/bin/ash", "-eu", "-c"]\nRUN echo $0 $- > /flags\nRUN ["touch", "/$HOME"]\n'
    )
    files = bench.files(built)
    assert b"e" in files["flags"].content
    assert "$HOME" in files
    assert bench.config(built)["config"]["Shell"] == ["/bin/ash", "-eu", "-c"]


def test_here_documents(bench: Workbench) -> None:
    built = bench.build(
        "FROM tiny\nARG NAME=world\n"
        "RUN <<EOF\necho one > /one\necho two > /two\nEOF\n"
        "RUN <<END\n#!/bin/busybox ash\necho $0 > /name\nEND\n"
        "RUN cat <<A > /three && cat <<B > /four\nthree\nA\nfour\nB\n"
        'COPY <<EOF <<"RAW" /docs/\nhello $NAME\nEOF\nhello $NAME\nRAW\n'
    )
    files = bench.files(built)
    assert [files[name].content for name in ("one", "two", "three", "four")] == [
        b"one\n",
        b"two\n",
        b"three\n",
        b"four\n",
    ]
    assert files["name"].content.endswith(b"/END\n")
    assert files["docs/EOF"].content == b"hello world\n"
    assert files["docs/RAW"].content == b"hello $NAME\n"
    assert files["docs/RAW"].mode == 0o644
    assert ".build" not in files


def test_arguments_are_there_for_run_and_in_history_but_not_in_the_image(bench: Workbench) -> None:
    built = bench.build(
        "ARG TOP=above\nFROM tiny\nARG TOP\nARG MINE=own\nARG GIVEN\nRUN echo $TOP $MINE $GIVEN $HTTP_PROXY > /said\n",
        build_args={"GIVEN": "given", "HTTP_PROXY": "http://proxy:1"},
    )
    assert bench.files(built)["said"].content == b"above own given http://proxy:1\n"
    config = bench.config(built)
    assert not any("own" in entry or "proxy" in entry for entry in config["config"]["Env"])
    line = config["history"][-1]["created_by"]
    assert (
        line == "RUN |3 TOP=above MINE=own GIVEN=given /bin/sh -c echo $TOP $MINE $GIVEN $HTTP_PROXY > /said # buildkit"
    )


def test_the_host_network_needs_a_right(bench: Workbench) -> None:
    with pytest.raises(PermissionDenied):
        bench.build("FROM tiny\nRUN --network=host true\n")
    built = bench.build(
        "FROM tiny\nRUN --network=host ls /sys/class/net > /net\n", entitlements=frozenset({"network.host"})
    )
    assert bench.files(built)["net"].content.split()


def test_a_run_without_network_has_the_loopback_alone(bench: Workbench) -> None:
    built = bench.build("FROM tiny\nRUN --network=none ls /sys/class/net > /none\nRUN ls /sys/class/net > /usual\n")
    files = bench.files(built)
    assert files["none"].content.split() == [b"lo"]
    assert b"eth0" in files["usual"].content


def test_a_file_that_is_not_there_has_near_names(bench: Workbench) -> None:
    with pytest.raises(NotFound) as raised:
        bench.build("FROM tiny\nCOPY requirments.txt /\n", {"requirements.txt": "x"})
    assert raised.value.detail["near"] == ["requirements.txt"]
    assert raised.value.detail["line"] == 2


def test_triggers_of_the_base_run_first(bench: Workbench) -> None:
    bench.build("FROM tiny\nONBUILD COPY a /from-trigger\nONBUILD RUN echo triggered > /ran\n", tags=("with-trigger",))
    built = bench.build("FROM with-trigger\nRUN cat /ran > /seen\n", {"a": "A"})
    files = bench.files(built)
    assert (files["from-trigger"].content, files["seen"].content) == (b"A", b"triggered\n")
    assert "OnBuild" not in bench.config(built)["config"]


def test_only_what_the_target_needs_is_built(bench: Workbench) -> None:
    text = (
        "FROM tiny AS one\nRUN echo 1 > /one\nFROM tiny AS broken\nRUN exit 1\n"
        "FROM one AS two\nRUN echo 2 > /two\nFROM broken\n"
    )
    built = bench.build(text, target="TWO")
    assert {"one", "two"} <= set(bench.files(built))
    assert not any(event.vertex.stage == "broken" for event in built.events)


def test_configuration_as_docker_has_it(bench: Workbench) -> None:
    built = bench.build(
        "FROM tiny\nLABEL a=1 b=\"two words\"\nEXPOSE 80 443/udp\nVOLUME /data /logs\nSTOPSIGNAL SIGINT\n"
        "HEALTHCHECK --interval=5s --retries=2 CMD wget -q localhost\nCMD echo hi\nENTRYPOINT [\"/bin/sh\"]\n",
        labels={"given": "yes"},
    )  # fmt: skip
    document = bench.config(built)
    config = document["config"]
    assert config["Labels"] == {"a": "1", "b": "two words", "given": "yes"}
    assert sorted(config["ExposedPorts"]) == ["443/udp", "80/tcp"]
    assert sorted(config["Volumes"]) == ["/data", "/logs"]
    assert config["StopSignal"] == "SIGINT"
    check = {"Test": ["CMD-SHELL", "wget -q localhost"], "Interval": 5_000_000_000, "Retries": 2}
    assert config["Healthcheck"] == check
    assert config["Cmd"] == ["/bin/sh", "-c", "echo hi"]
    assert config["Entrypoint"] == ["/bin/sh"]
    told = [entry["created_by"] for entry in document["history"] if entry.get("comment") == "buildkit.dockerfile.v0"]
    assert told == [
        "LABEL a=1 b=two words",
        "EXPOSE [443/udp 80/tcp]",
        "VOLUME [/data /logs]",
        "STOPSIGNAL SIGINT",
        "HEALTHCHECK {Test:[CMD-SHELL wget -q localhost] Interval:5s Timeout:0s StartPeriod:0s StartInterval:0s"
        " Retries:2}",
        'CMD ["/bin/sh" "-c" "echo hi"]',
        'ENTRYPOINT ["/bin/sh"]',
    ]
    assert all(entry["empty_layer"] for entry in document["history"][-7:])


def test_an_entrypoint_resets_the_command_of_the_base(bench: Workbench) -> None:
    built = bench.build('FROM tiny\nENTRYPOINT ["/bin/true"]\n')
    assert "Cmd" not in bench.config(built)["config"]


def test_limits_hold_and_builds_yield_to_containers(bench: Workbench) -> None:
    config = bench.engine.config
    with pytest.raises(StepFailed) as raised:
        bench.build(
            "FROM tiny\nRUN head -c 100000000 /dev/zero | tail -c 90000000 > /dev/null\n",
            limits=BuildLimits(memory_bytes=20 << 20),
        )
    assert raised.value.detail["exit_code"] in (1, 137)
    shares = [Path("/sys/fs/cgroup") / config.build_cgroup / "cpu.weight", *Path("/sys/fs/cgroup").glob(
        f"*/{config.build_cgroup}/cpu.shares")]  # fmt: skip
    assert {path.read_text().strip() for path in shares if path.exists()} <= {"25", "256"}
    assert any(path.exists() for path in shares)


def test_what_is_likely_wrong_is_told_and_refused_where_that_is_asked_for(bench: Workbench) -> None:
    built = bench.build("FROM tiny as one\nMAINTAINER somebody\n")
    assert {warning.rule for warning in built.result.warnings} == {"FromAsCasing", "MaintainerDeprecated"}
    with pytest.raises(InvalidArgument, match="MaintainerDeprecated"):
        bench.build("# check=error=true\nFROM tiny\nMAINTAINER somebody\n")


def test_build_arguments_that_no_argument_asks_for_are_warned_of(bench: Workbench) -> None:
    given = {"ABOVE": "1", "USED": "2", "LATER": "3", "SPARE": "4", "ALONE": "5", "http_proxy": "x", "BUILDKIT_X": "6"}
    text = "ARG ABOVE\nFROM tiny AS one\nARG USED ALONE=1\nFROM one\nARG LATER\n"
    (warning,) = (one for one in bench.build(text, build_args=given).result.warnings if one.rule == UNCONSUMED)
    assert (warning.message, warning.line) == ("One or more build-args [SPARE] were not consumed", 0)
    built = bench.build(text, build_args=given, target="one")
    assert "[LATER SPARE]" in built.result.warnings[-1].message
    assert [one.vertex.name for one in built.events][-1] == f"[Warning] {built.result.warnings[-1].message}"
    del given["SPARE"], given["LATER"]
    assert bench.build(text, build_args=given).result.warnings == ()
