"""Progress of pulls and pushes in Docker's words; the lines are those that Docker 20.10 sent for the same."""

from __future__ import annotations

from typing import Any

from engine.oci.reference import Reference
from webui.dockerapi.objects.progress import Layers, bar, failure, pulled, pushed, size_text

NAME = Reference.parse("127.0.0.1:5055/a/b:1")


def progress(phase: str, *items: tuple[str, str, int, int]) -> dict[str, Any]:
    return {
        "phase": phase,
        "items": [{"id": i, "status": s, "done_bytes": done, "total_bytes": total} for i, s, done, total in items],
    }


def test_a_pull_is_told_as_docker_tells_it() -> None:
    layers = Layers.of_pull(NAME)
    assert layers.take(progress("resolving")) == []
    assert layers.take(progress("pulling", ("b567", "exists", 9, 9), ("7a09", "waiting", 0, 106))) == [
        {"status": "Pulling from a/b", "id": "1"},
    ]
    same = progress("pulling", ("b567", "exists", 9, 9), ("7a09", "downloading", 106, 106))
    assert layers.take(same) == [
        {"status": "Already exists", "progressDetail": {}, "id": "b567"},
        {"status": "Pulling fs layer", "progressDetail": {}, "id": "7a09"},
        {
            "status": "Downloading",
            "progressDetail": {"current": 106, "total": 106},
            "progress": "[==================================================>]     106B/106B",
            "id": "7a09",
        },
    ]
    assert layers.take(same) == []
    told = layers.take(progress("pulling", ("7a09", "unpacking", 106, 106)))
    assert [one["status"] for one in told] == ["Download complete", "Extracting"]
    assert layers.take(progress("done", ("7a09", "done", 106, 106))) == [
        {"status": "Pull complete", "progressDetail": {}, "id": "7a09"}
    ]
    assert pulled(NAME, "sha256:31", is_new=True) == [
        {"status": "Digest: sha256:31"},
        {"status": "Status: Downloaded newer image for 127.0.0.1:5055/a/b:1"},
    ]
    assert pulled(NAME, "", is_new=False) == [{"status": "Status: Image is up to date for 127.0.0.1:5055/a/b:1"}]


def test_a_layer_that_is_first_heard_of_at_its_end_was_a_layer_all_the_same() -> None:
    told = Layers.of_pull(NAME).take(progress("pulling", ("7a09", "done", 106, 106)))
    assert [one["status"] for one in told] == ["Pulling from a/b", "Pulling fs layer", "Pull complete"]


def test_a_push_is_told_as_docker_tells_it() -> None:
    layers = Layers.of_push(NAME)
    told = layers.take(progress("pushing", ("dcbb", "waiting", 0, 87), ("30a7", "waiting", 0, 1982347)))
    assert told[0] == {"status": "The push refers to repository [127.0.0.1:5055/a/b]"}
    assert [one["status"] for one in told[1:]] == ["Preparing", "Preparing"]
    told = layers.take(progress("pushing", ("dcbb", "exists", 87, 87), ("30a7", "uploading", 1478144, 1982347)))
    assert told == [
        {"status": "Layer already exists", "progressDetail": {}, "id": "dcbb"},
        {
            "status": "Pushing",
            "progressDetail": {"current": 1478144, "total": 1982347},
            "progress": "[=====================================>             ]  1.478MB/1.982MB",
            "id": "30a7",
        },
    ]
    assert pushed("1", "sha256:31", 942) == [
        {"status": "1: digest: sha256:31 size: 942"},
        {"progressDetail": {}, "aux": {"Tag": "1", "Digest": "sha256:31", "Size": 942}},
    ]


def test_sizes_and_bars_are_dockers() -> None:
    assert [size_text(count) for count in (0, 999, 1000, 36352, 1982347, 5_000_000_000)] == [
        "0B", "999B", "1kB", "36.35kB", "1.982MB", "5GB",
    ]  # fmt: skip
    assert bar(36352, 1982347) == "[>                                                  ]  36.35kB/1.982MB"
    assert bar(2048, 0) == " 2.048kB"


def test_an_error_says_with_what_a_client_should_end() -> None:
    assert failure("no") == {"errorDetail": {"message": "no"}, "error": "no"}
    assert failure("no", 3)["errorDetail"] == {"code": 3, "message": "no"}
