"""Coverage-guided fuzzing of what strangers write: seconds of it here, as long as one likes by PORTSIDE_FUZZ_SECONDS.

    PORTSIDE_FUZZ_SECONDS=900 python -m pytest tests/fuzz -s        each target for so long, from a new random seed

A finding is written to `findings/TARGET-HASH` and is replayed from then on; commit it with what mends it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
from pathlib import Path

import pytest

from engine.errors import EngineError
from tests.fuzz.loop import TooMuchWork, Watch, explore
from tests.fuzz.targets import FUZZED, Fuzzed

SECONDS = float(os.environ.get("PORTSIDE_FUZZ_SECONDS", "0.8"))
IS_LONG = "PORTSIDE_FUZZ_SECONDS" in os.environ
FINDINGS = Path(__file__).parent / "findings"
REFUSALS = EngineError


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("fuzzed", FUZZED, ids=lambda fuzzed: fuzzed.name)
def test_whatever_comes_is_read_or_refused(fuzzed: Fuzzed) -> None:
    seed = random.SystemRandom().randrange(1 << 32) if IS_LONG else 5
    report = explore(
        fuzzed.run,
        fuzzed.seeds,
        roots=fuzzed.roots,
        allowed=REFUSALS,
        seconds=SECONDS,
        seed=seed,
        words=fuzzed.words,
        change=fuzzed.change,
    )
    print(f"{fuzzed.name}: {report.runs} inputs, {report.edges} edges, {len(report.corpus)} kept, seed {seed}")
    for finding in report.findings:
        FINDINGS.mkdir(exist_ok=True)
        (FINDINGS / f"{fuzzed.name}-{hashlib.sha256(finding.data).hexdigest()[:12]}").write_bytes(finding.data)
    assert [finding.summary for finding in report.findings] == []


def _found() -> list[Path]:
    return sorted(FINDINGS.iterdir()) if FINDINGS.exists() else []


@pytest.mark.parametrize("path", _found(), ids=lambda path: path.name)
def test_what_was_found_once_is_read_or_refused(path: Path) -> None:
    fuzzed = next(one for one in FUZZED if one.name == path.name.rpartition("-")[0])
    with contextlib.suppress(REFUSALS):
        Watch(fuzzed.run, fuzzed.roots).run(path.read_bytes())


def test_the_loop_finds_what_is_there_to_be_found(tmp_path: Path) -> None:
    """A fault behind three conditions, which chance alone would not meet, and a loop without end."""
    module = tmp_path / "faulty.py"
    module.write_text(
        "def faulty(data):\n"
        "    if data[:1] == b'P':\n"
        "        if data[1:2] == b'S':\n"
        "            if data[2:3] == b'!':\n"
        "                raise KeyError('found')\n"
        "    while data[:2] == b'\\x00\\x00':\n"
        "        pass\n"
    )
    namespace: dict[str, object] = {}
    exec(compile(module.read_text(), str(module), "exec"), namespace)
    report = None
    for seed in range(50):
        report = explore(
            namespace["faulty"], [b"    "], roots=[str(tmp_path)], allowed=ValueError, seconds=1, seed=seed, max_bytes=8
        )  # type: ignore[arg-type]
        if {KeyError, TooMuchWork} <= {type(finding.error) for finding in report.findings}:
            return
    pytest.fail(f"found only {report.findings if report else None}")
