"""The folded groups of the form, and what a container's page says of its walls."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.support.browser import visit
from tests.support.valkey import Valkey
from tests.webui.pages.seed import Seeded, hex_id
from tests.webui.pages.sockets import Sockets
from webui.containers.models import Container
from webui.containers.representation import container_as_json
from webui.hosts.models import Host
from webui.networks.models import Network
from worker.contract.commands import CreateContainer
from worker.contract.wire import to_wire

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATH = "/containers/new/"
PROFILE = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}


def full() -> CreateContainer:
    """One of everything that the form can be filled with."""
    return CreateContainer(
        container_id=hex_id("web"), name="web", image="nginx:1.29-alpine", command=("nginx", "-g", "daemon off;"),
        entrypoint=("/entry", "-x"), env={"A": "1"}, labels={"team": "harbour"}, user="1000:1000", workdir="/srv",
        hostname="web", memory_bytes=64 << 20, pids_limit=100, cap_add=("NET_ADMIN", "NET_RAW"), cap_drop=("CHOWN",),
        read_only=True, security_opt=("no-new-privileges=false", f"seccomp={json.dumps(PROFILE)}", "mask=/etc/hosts"),
        userns="host", runtime="crun", init=True, devices=("/dev/fuse",), device_cgroup_rules=("c 10:229 rwm",),
        group_add=("audio", "44"), sysctls={"net.core.somaxconn": "77"}, ulimits=("nofile=64:128",),
        tmpfs=("/run:size=64m", "/tmp"), shm_size=1 << 20, stop_signal="SIGINT", stop_timeout=3, auto_remove=True,
        domainname="example.org", extra_hosts=("db:10.0.0.2",), dns=("9.9.9.9",), dns_search=("example.org",),
        dns_options=("ndots:2",), memory_reservation=32 << 20, memory_swap=-1, oom_score_adj=500,
        oom_kill_disable=True, cpu_shares=512, cpu_quota=50_000, cpu_period=100_000, cpuset_cpus="0-1",
        cpu_rt_runtime=5000, cpu_rt_period=500_000,
        cpuset_mems="0", blkio_weight=500, device_read_bps=("/dev/sda:1",), device_write_bps=("/dev/sda:2",),
        device_read_iops=("/dev/sda:3",), device_write_iops=("/dev/sda:4",), privileged=True,
        stdin_open=True, stdin_once=True,
        healthcheck={"test": ["CMD-SHELL", "curl -f localhost"], "interval_seconds": 0.5, "retries": 2},
        depends_on=("db", "queue"), network="none", pid="host", ipc="shareable", cgroupns="host",
        expose=("80", "53/udp"), log_driver="local", log_opt={"max-size": "1m", "max-file": "3"},
        storage_opt={"size": "10G"},
        pull="never", platform="linux/arm64", annotations={"org.example.a": "1"}, memory_swappiness=10,
        blkio_weight_device=("/dev/sda:500",), volumes=("data:/var/lib/data:ro",), volumes_from=(hex_id("db"),),
        mounts=("type=tmpfs,dst=/scratch", "type=image,src=alpine:3,dst=/tools,image-subpath=bin"),
        volume_driver="local",
    )  # fmt: skip


def test_one_like_another_carries_every_option_over(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    wanted = to_wire(full())
    Container.objects.filter(pk=hex_id("web")).update(spec=wanted)
    visit(page, f"{PATH}?like={hex_id('web')}")
    body = json.loads(page.locator('[data-as="rest"]').inner_text().partition("-d '")[2].rstrip("'"))
    left_out = {
        "container_id",
        "name",
        "start",
        "cpus",
        "ports",
        "restart",
        "restart_limit",
        "tty",
        "restart_unhealthy",
        "uts",
        "publish_all",
        "publish_address",
    }
    left_out |= {"bind_roots", "signed_by", "allowed_images"}  # which a policy says
    left_out |= {
        "networks",
        "network_alias",
        "link",
        "ip",
        "ip6",
        "mac_address",
    }  # which no mode but a network of a name takes
    assert {key: value for key, value in body.items() if key != "host"} == {
        key: value for key, value in wanted.items() if key not in left_out
    }
    line = page.locator('[data-as="docker"]').inner_text()
    for part in (
        "--entrypoint /entry", "--cap-add NET_ADMIN --cap-add NET_RAW", "--security-opt seccomp=profile.json",
        "--device /dev/fuse", "--shm-size 1m", "--memory-swap -1", "--sysctl net.core.somaxconn=77", "--rm",
        "--health-cmd 'curl -f localhost' --health-interval 500ms --health-retries 2",
        "--network none --expose 80 --expose 53/udp --pid host --ipc shareable --cgroupns host --pull never",
        "--platform linux/arm64 --annotation org.example.a=1 --memory-swappiness 10 --blkio-weight-device /dev/sda:500",
        "--volume data:/var/lib/data:ro --mount type=tmpfs,dst=/scratch "
        f"--mount type=image,src=alpine:3,dst=/tools,image-subpath=bin --volumes-from {hex_id('db')}",
        "--volume-driver local --log-driver local --log-opt max-size=1m --log-opt max-file=3 --storage-opt size=10G",
        "--userns host", "--runtime crun", "nginx:1.29-alpine -x nginx -g 'daemon off;'",
    ):  # fmt: skip
        assert part in line
    assert page.locator("[data-fold]").evaluate_all("(all) => all.every((fold) => fold.open)")
    page.get_by_label("Name", exact=True).fill("copy")
    page.get_by_role("button", name="Create and start").click()
    page.wait_for_url(lambda url: "/new/" not in url)
    made = Container.objects.get(name="copy").spec
    kept = set(wanted) - {"container_id", "name", "image", "signed_by", "allowed_images"}
    assert {key: made[key] for key in kept} == {key: wanted[key] for key in kept}
    expect(page.locator(".badges")).to_contain_text("privileged")
    expect(page.locator(".badges")).to_contain_text("read-only root")


def test_folds_say_what_is_changed_and_open_where_something_is_wrong(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    Host.objects.update(runtimes=[{"name": "crun", "version": "1.8", "problem": ""}])
    visit(page, f"{PATH}?image=alpine")
    assert not page.locator("[data-fold][open]").count()
    security = page.locator("#fold-security")
    security.locator("summary").click()
    page.get_by_label("Capabilities to add").fill("NET_RAW sys_time")
    page.get_by_label("Read-only root file system").check()
    page.get_by_label("Runtime", exact=True).select_option("crun")
    page.get_by_label("System calls").select_option("profile")
    page.get_by_label("Seccomp profile").fill("not JSON")
    expect(security.locator("[data-changed]")).to_have_text("4 changed")
    expect(page.locator('[data-as="docker"]')).to_contain_text("--cap-add NET_RAW --cap-add sys_time --read-only")
    security.locator("summary").click()
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("#security-problem")).not_to_be_empty()
    expect(security).to_have_attribute("open", "")
    page.get_by_label("System calls").select_option("")
    expect(page.get_by_label("Seccomp profile")).to_be_hidden()
    page.get_by_text("Resources", exact=True).click()
    page.get_by_label("Processes at most").fill("many")
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("#pids-problem")).to_have_text("Give a whole number.")
    page.get_by_label("Processes at most").fill("-1")
    page.get_by_role("button", name="Create and start").click()
    page.wait_for_url(lambda url: "/new/" not in url)
    expect(page.locator(".badges .pill-warn")).to_have_text(
        ["+NET_RAW", "+SYS_TIME", "processes unlimited", "runtime crun"]
    )
    visit(page, "/containers/")
    expect(page.locator("[data-field=walls] .pill").first).to_have_text("+NET_RAW and 3 more")


def test_a_health_check_is_asked_for_in_parts(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    visit(page, f"{PATH}?image=alpine")
    page.locator("#fold-health summary").click()
    assert not page.get_by_label("What it runs").is_visible()
    page.get_by_label("Health check").select_option("a program")
    page.get_by_label("What it runs").fill("probe --name 'a b'")
    page.get_by_label("Time between checks").fill("soon")
    page.get_by_label("Restart it when it turns unhealthy").check()
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator('[data-problem="healthcheck"]')).to_have_text("Give a number, such as 30.")
    page.get_by_label("Time between checks").fill("1.5")
    line = page.locator('[data-as="docker"]').inner_text()
    assert "--health-interval 1500ms" in line and "--health-cmd" in line
    page.get_by_role("button", name="Create and start").click()
    page.wait_for_url(lambda url: "/new/" not in url)
    made = Container.objects.exclude(pk__in=[hex_id(name) for name in seeded.containers]).get().spec
    assert made["healthcheck"] == {"test": ["CMD", "probe", "--name", "a b"], "interval_seconds": 1.5}
    assert made["restart_unhealthy"] is True
    expect(page.locator('[data-fragment="details"]')).to_contain_text("probe --name 'a b'")


def test_health_is_shown_with_its_history_and_follows(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    result = {"start": 1.0, "end": 1.5, "exit_code": 7, "output": "<b>refused</b>"}
    late = {"start": 2.0, "end": 2.5, "exit_code": -1, "output": ""}
    health = {"status": "unhealthy", "failing_streak": 2, "log": [result, late]}
    Container.objects.filter(pk=hex_id("web")).update(health=health)
    visit(page, "/containers/")
    mark = page.locator(f'tr[data-id="{hex_id("web")}"] [data-field="health"]')
    expect(mark).to_have_text("Unhealthy")
    Container.objects.filter(pk=hex_id("web")).update(health={**health, "status": "healthy", "failing_streak": 0})
    sockets.change("container", container_as_json(Container.objects.get(pk=hex_id("web"))), id="7-0")
    expect(mark).to_have_text("Healthy")
    visit(page, f"/containers/{hex_id('web')}/")
    section = page.locator('[data-fragment="health"]')
    expect(section.locator("tbody tr").first).to_contain_text("took too long")
    expect(section.locator("tbody tr").last).to_contain_text("<b>refused</b>")
    Container.objects.filter(pk=hex_id("web")).update(health={**health, "log": []})
    sockets.change("container", container_as_json(Container.objects.get(pk=hex_id("web"))), id="8-0")
    expect(page.locator('#container > .page-head [data-field="health"]')).to_have_text("Unhealthy")
    expect(section).to_contain_text("No check has told anything yet.")
    expect(page.locator('[data-fragment="headline"]')).to_contain_text("its health check fails")


def test_another_containers_namespace_is_asked_for_by_its_name(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    visit(page, f"{PATH}?image=alpine")
    page.locator(".fold-title", has_text="Network").click()
    expect(page.get_by_label("Whose network")).to_be_hidden()
    page.get_by_label("Network", exact=True).select_option("container:")
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("#network-problem")).to_have_text("Name the container, or choose something else.")
    page.get_by_label("Whose network").fill("web")
    expect(page.locator('[data-as="docker"]')).to_contain_text("--network container:web")
    page.get_by_label("Ports it listens on").fill("80")
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("#expose-problem")).to_contain_text("of the container whose network it shares")
    page.get_by_label("Ports it listens on").fill("")
    page.get_by_label("Name", exact=True).fill("beside")
    page.get_by_role("button", name="Create and start").click()
    page.wait_for_url(lambda url: "/new/" not in url)
    assert Container.objects.get(name="beside").spec["network"] == f"container:{hex_id('web')}"
    expect(page.locator(".badges .pill-warn")).to_have_text([f"network of container {hex_id('web')[:12]}"])


def test_a_file_of_variables_is_read_into_the_form(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    visit(page, f"{PATH}?image=alpine")
    page.locator("#env-file").set_input_files(
        {"name": "variables.env", "mimeType": "text/plain", "buffer": b"# who\nA=1\nB=two words\n"}
    )
    expect(page.get_by_label("Variables from a file")).to_have_value("# who\nA=1\nB=two words\n")
    expect(page.locator('[data-as="docker"]')).to_contain_text("--env-file variables.env")
    page.get_by_label("Name", exact=True).fill("filed")
    page.get_by_role("button", name="Create and start").click()
    page.wait_for_url(lambda url: "/new/" not in url)
    assert Container.objects.get(name="filed").spec["env"] == {"A": "1", "B": "two words"}


def test_networks_of_the_host_are_joined_with_addresses_and_names(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    elsewhere = Network.objects.create(
        team=seeded.team, host=seeded.hosts[1], network_id="2" * 64, name="far", subnet="10.23.0.0/24"
    )
    visit(page, f"{PATH}?image=alpine")
    page.locator(".fold-title", has_text="Network").click()
    network = page.get_by_label("Network", exact=True)
    offered = network.locator("optgroup option")
    expect(offered).to_have_text(["back-of-the-harbour · 10.21.0.0/22", "front · 10.20.0.0/24", "lone · 10.22.0.0/24"])
    expect(page.get_by_label("Address there", exact=True)).to_be_hidden()
    network.select_option("front")
    expect(page.locator("[data-network-help]")).to_have_text("251 of 253 addresses are free.")
    expect(page.get_by_label("Address there", exact=True)).to_have_attribute(
        "placeholder", "a free one of 10.20.0.0/24"
    )
    page.get_by_label("Address there", exact=True).fill("10.20.0.9")
    page.get_by_label("Further names there").fill("db, cache")
    page.get_by_label("MAC address there").fill("02:42:0a:14:00:09")
    page.get_by_role("button", name="Join another network").click()
    expect(page.get_by_label("Further network", exact=True)).to_have_value("back-of-the-harbour")
    page.get_by_label("Further network", exact=True).select_option("lone")
    page.get_by_label("Address on it", exact=True).fill("10.22.0.7")
    page.get_by_label("Further names on it").fill("db")
    page.get_by_label("Names of others there").fill("shop-db-1:sql")
    expect(page.locator('[data-as="docker"]')).to_have_text(
        "docker run -d --network front --ip 10.20.0.9 --mac-address 02:42:0a:14:00:09 --network-alias db "
        "--network-alias cache --link shop-db-1:sql --network name=lone,ip=10.22.0.7,alias=db alpine"
    )
    expect(page.locator(".fold", has_text="host name, hosts").locator("[data-changed]")).to_have_text("6 changed")
    network.select_option("bridge")
    expect(page.locator('[data-as="docker"]')).to_have_text(
        "docker run -d alpine && docker network connect --ip 10.22.0.7 --alias db lone NAME"
    )
    network.select_option("front")
    page.get_by_label("Name", exact=True).fill("joined")
    page.get_by_role("button", name="Create and start").click()
    page.wait_for_url(lambda url: "/new/" not in url)
    made = Container.objects.get(name="joined")
    wanted = {"network": "front", "ip": "10.20.0.9", "mac_address": "02:42:0a:14:00:09"}
    wanted |= {"network_alias": ["db", "cache"], "link": ["shop-db-1:sql"], "networks": ["lone:ip=10.22.0.7,alias=db"]}
    assert {key: made.spec[key] for key in wanted} == wanted
    visit(page, f"{PATH}?like={made.pk}")
    body = json.loads(page.locator('[data-as="rest"]').inner_text().partition("-d '")[2].rstrip("'"))
    assert {key: body[key] for key in wanted} == wanted
    assert elsewhere.name not in page.locator("#network").inner_text()


def test_a_network_of_another_host_is_seen_to_be_missing(
    page: Page, sockets: Sockets, seeded: Seeded, site_broker: Valkey
) -> None:
    Host.objects.update(heartbeat_at=timezone.now() + timedelta(days=1))
    visit(page, f"{PATH}?image=alpine")
    page.locator(".fold-title", has_text="Network").click()
    page.get_by_label("Network", exact=True).select_option("front")
    page.get_by_label("Host", exact=True).select_option(label="buoy-north")
    expect(page.locator("#network optgroup option")).to_have_text(["front · not on this host"])
    page.get_by_role("button", name="Create and start").click()
    expect(page.locator("#network-problem")).to_have_text(
        "There is no network front on the host buoy-north: there is none yet."
    )
    page.get_by_label("Host", exact=True).select_option(label="pier")
    expect(page.locator("#network")).to_have_value("front")


def test_what_the_log_is_said_to_take_is_taken(page: Page, sockets: Sockets, seeded: Seeded) -> None:
    visit(page, PATH)
    page.locator("details", has=page.locator("#log_opt")).evaluate_all(
        "(all) => all.forEach((one) => (one.open = true))"
    )
    field = page.get_by_label("Options of the log")
    assert field.get_attribute("placeholder") == "max-size=20m"
    field.fill("max-size=20m")
    expect(page.locator('[data-as="docker"]')).to_contain_text("--log-opt max-size=20m")
