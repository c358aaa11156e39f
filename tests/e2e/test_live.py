"""What browsers and scripts see without asking twice: events, logs and figures over WebSockets."""

import pytest
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect

from tests.support.portside import Portside
from tests.support.sockets import follow_log, log_text, socket
from worker.contract.near import STREAMS_SOCKET

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_every_open_page_hears_of_a_container_and_resumes_after_a_gap(portside: Portside, tiny_image: str) -> None:
    def is_about(container: dict, status: str):
        return lambda message: (
            message["type"] == "change" and message["object_id"] == container["id"]
            and (message["object"] or {}).get("status") == status
        )  # fmt: skip

    with socket(portside, "/ws/events/") as first, socket(portside, "/ws/events/") as second:
        assert first.receive()["type"] == "hello"
        assert second.receive()["type"] == "hello"
        container = portside.rest.run(tiny_image, "sleep", "300")
        seen = first.until(is_about(container, "running"))
        second.until(is_about(container, "running"))
    portside.rest.act(container["id"], "kill")
    with socket(portside, f"/ws/events/?since={seen['id']}") as later:
        later.until(is_about(container, "stopped"))


def test_a_log_goes_on_where_it_stopped_without_gap_or_repeat(portside: Portside, tiny_image: str) -> None:
    script = "n=0; while [ $n -lt 3000 ]; do n=$((n+1)); echo line $n; done; sleep 1; echo the end"
    container = portside.rest.run(tiny_image, "sh", "-c", script)
    text, cursor = follow_log(portside, container["id"], until="line 100\n")
    rest, end = follow_log(portside, container["id"], until="the end\n", cursor=cursor)
    assert text + rest == "".join(f"line {n}\n" for n in range(1, 3001)) + "the end\n"
    assert end == len(text + rest)


def test_a_socket_that_is_open_while_the_worker_dies_misses_nothing(portside: Portside, tiny_image: str) -> None:
    script = "n=0; while [ $n -lt 400 ]; do n=$((n+1)); echo line $n; usleep 10000; done; echo the end"
    container = portside.rest.run(tiny_image, "sh", "-c", script)
    with socket(portside, f"/ws/containers/{container['id']}/logs/?cursor=0") as log:
        log.until(lambda _: "line 50\n" in log_text(log.messages))
        portside.kill("-m", "worker")
        log.until(lambda _: "the end\n" in log_text(log.messages))
        assert log_text(log.messages) == "".join(f"line {n}\n" for n in range(1, 401)) + "the end\n"
    portside.wait_host()


def test_a_host_without_a_socket_in_the_home_sends_the_same_by_the_broker(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "sh", "-c", "seq 200000")
    portside.rest.wait_status(container["id"], "stopped")
    near = portside.rest.logs(container["id"])
    path = portside.home.config.run / STREAMS_SOCKET
    aside = path.rename(path.with_suffix(".aside"))
    try:
        assert portside.rest.logs(container["id"]) == near == "".join(f"{n}\n" for n in range(1, 200_001))
        assert follow_log(portside, container["id"], until="\n200000\n")[0] == near
    finally:
        aside.rename(path)


def test_a_tail_is_short_and_a_log_ends_with_its_container(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "sh", "-c", "seq 1000")
    portside.rest.wait_status(container["id"], "stopped")
    assert portside.rest.logs(container["id"], "?tail=2") == "999\n1000\n"
    with socket(portside, f"/ws/containers/{container['id']}/logs/?tail=3") as log:
        log.until(lambda _: log_text(log.messages) == "998\n999\n1000\n")
        portside.rest.remove(container["id"])
        log.until(lambda message: message["type"] == "end")
        assert log_text(log.messages) == "998\n999\n1000\n"


def test_figures_of_a_container_come_by_themselves(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "sh", "-c", "while true; do :; done", cpus=0.5)
    with socket(portside, f"/ws/containers/{container['id']}/stats/") as stats:
        assert stats.receive()["type"] == "history"
        sample = stats.until(lambda message: message["type"] == "sample" and message["sample"]["cpu_percent"] > 3)
    assert sample["sample"]["cpu_percent"] < 80
    assert sample["sample"]["memory_bytes"] > 0
    assert sample["sample"]["pids"] == 1


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
@pytest.mark.parametrize(
    "path", ["/ws/events/", "/ws/containers/{id}/logs/", "/ws/containers/{id}/stats/", "/ws/containers/{id}/exec/"]
)
def test_a_stranger_gets_no_socket(portside: Portside, path: str, headers: dict[str, str]) -> None:
    with pytest.raises((InvalidStatus, WebSocketException)):
        url = f"ws://{portside.address}{path.format(id='0' * 64)}"
        with connect(url, additional_headers=headers) as connection:
            connection.recv(timeout=5)


def test_another_origin_gets_no_socket(portside: Portside) -> None:
    with pytest.raises((InvalidStatus, WebSocketException)):
        with connect(f"ws://{portside.address}/ws/events/", origin="http://evil.example") as connection:
            connection.recv(timeout=5)


def test_a_hundred_thousand_lines_arrive_whole_and_fast(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "sh", "-c", "seq 100000; echo end")
    text, _ = follow_log(portside, container["id"], until="end\n")
    assert text == "".join(f"{n}\n" for n in range(1, 100_001)) + "end\n"
