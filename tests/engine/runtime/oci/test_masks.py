"""Masked and read-only paths that are the root itself, or lead through links of the image."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.runtime.box import make_image
from tests.engine.runtime.oci.bundles import Bundle

pytestmark = pytest.mark.root

KEYS = ["maskedPaths", "readonlyPaths"]


@pytest.fixture
def own_image(bundle: Bundle) -> Path:
    """One that a test may change, and a container too."""
    made = make_image(bundle.directory / "rootfs")
    (made / "data").mkdir()
    (made / "data" / "file").write_text("secret")
    bundle.config["root"] = {"path": "rootfs", "readonly": False}
    return made


@pytest.mark.parametrize("path", ["/", "//", "/data/..", "/lnk"])
def test_the_whole_root_may_be_read_only_but_not_masked(bundle: Bundle, own_image: Path, path: str) -> None:
    (own_image / "lnk").symlink_to("..")
    bundle.linux["readonlyPaths"] = [path]
    assert bundle.sh("! echo x >/data/file; ! echo x >/dev/shm/x; echo x >/dev/null; cat /data/file") == "secret"
    bundle.linux.update(maskedPaths=["/data", path], readonlyPaths=[])
    assert bundle.args("/bin/true").refusal().startswith("linux.maskedPaths[1]: the whole root")


@pytest.mark.parametrize("aim", ["data", "/data", "../../../data"])
def test_a_link_leads_a_mask_within_the_root(bundle: Bundle, own_image: Path, aim: str) -> None:
    (own_image / "lnk").symlink_to(aim)
    bundle.linux["maskedPaths"] = ["/lnk", "/lnk/file", "/lnk"]
    assert bundle.sh("busybox ls /lnk /data; ! echo x >/data/x").split() == ["/data:", "/lnk:"]
    bundle.linux["maskedPaths"] = ["/lnk/file"]
    assert bundle.sh("cat /data/file; echo x >/data/x") == ""
    bundle.linux.update(maskedPaths=[], readonlyPaths=["/lnk"])
    assert bundle.sh("! echo x >/data/file; cat /data/file") == "secret"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("aim", ["/proc", "/proc/self/attr", "/proc/version", "../sys/kernel"])
def test_a_link_does_not_lead_a_mask_to_the_kernels_files(bundle: Bundle, own_image: Path, key: str, aim: str) -> None:
    """CVE-2023-27561: what this runtime itself would have to write later."""
    (own_image / "lnk").symlink_to(aim)
    bundle.linux[key] = ["/nothere", "/lnk"]
    assert bundle.args("/bin/true").refusal().startswith(f"linux.{key}[1]: /lnk is a link into /proc or /sys")


@pytest.mark.parametrize("key", KEYS)
def test_links_that_are_not_followed_are_told_by_the_field(bundle: Bundle, own_image: Path, key: str) -> None:
    (own_image / "round").symlink_to("round")
    for path in ("/proc/self/status", "/data/../proc/mounts", "/round"):
        bundle.linux[key] = [path]
        assert bundle.args("/bin/true").refusal().startswith(f"linux.{key}[0]: {path}: leads through a link")
