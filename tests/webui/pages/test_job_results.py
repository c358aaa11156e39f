"""What has come of a job stands on its page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webui.cast import Caller
from tests.webui.pages.test_access import browser_of
from webui.builds.models import Build
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db

DAMAGE = {"kind": "blob", "id": "sha256:" + "ab" * 32, "problem": "its bytes are others", "images": ["app:1"],
          "containers": ["web"], "advice": "pull app:1 again"}  # fmt: skip
REMOTE = {"reference": "docker.io/library/alpine:3", "digest": None, "problem": "there is none <b>"}


@pytest.mark.parametrize(
    ("kind", "result", "texts"),
    [
        ("image.push", {"digest": "sha256:1", "uploaded": 3, "existed": 2, "mounted": 1}, ["sha256:1", "3 sent"]),
        ("image.prune", {"untagged": ["a:1"], "deleted": ["x"], "reclaimed_bytes": 1 << 20}, ["a:1", "1 image, 1 MiB"]),
        (
            "image.fsck",
            {"checked_blobs": 5, "checked_layers": 4, "damaged": [DAMAGE], "repaired": [], "unrepaired": [DAMAGE]},
            ["5 blobs, 4 layers", "its bytes are others", "of app:1", "under web", "pull app:1 again"],
        ),
        ("image.lookup", {"images": [REMOTE], "rate_limit": None}, ["alpine:3", "there is none &lt;b&gt;"]),
        ("registry.try", {"ok": True, "message": "signed in as ann"}, ["signed in as ann"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_result_is_told_in_words(
    owner: Caller, job: Job, kind: str, result: dict[str, Any], texts: list[str]
) -> None:
    Job.objects.update(kind=kind, status="succeeded", result=result)
    page = browser_of(owner).get(f"/jobs/{job.pk}/").content.decode()
    for text in texts:
        assert text in page


def test_a_failed_build_leads_to_its_page_and_repeats_nothing(owner: Caller, build: Build) -> None:
    detail = {
        "problem": "no such file", "file": "Dockerfile", "line": 2, "column": 1, "end_line": 2, "end_column": 5,
        "excerpt": [{"number": 2, "text": "COPY x /", "start": 0, "end": 4}], "exit_code": 3, "log": ["one", "two"],
    }  # fmt: skip
    error = {
        "family": "invalid_argument",
        "message": "Dockerfile:2:1: no such file\n\n > 2 | COPY x /",
        "detail": detail,
    }
    Job.objects.filter(pk=build.job_id).update(status="failed", error=error)
    page = browser_of(owner).get(f"/jobs/{build.job_id}/").content.decode()
    assert f'href="/builds/{build.pk}/"' in page
    assert '<dt>log</dt><dd class="code lines">one\ntwo</dd>' in page
    assert "<dt>exit_code</dt>" in page
    assert "<dt>excerpt</dt>" not in page and "<dt>line</dt>" not in page
