"""Takes the pictures of the documentation from a running Portside with real containers: nothing is painted.

python -m docs.screenshots            writes docs/images/*.png, and docs/pages.md, which shows them; needs root,
                                      Chromium and three minutes in which the machine has little else to do
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser

from tests.support.browser import chromium, visit
from tests.support.portside import ADMIN_PASSWORD, Portside, running_portside

IMAGES = Path(__file__).parent / "images"
GALLERY = Path(__file__).parent / "pages.md"
DOCKERFILE = """FROM portside/starter
RUN mkdir /shop && echo 1.4 > /shop/version
RUN cat /shop/version
CMD ["cat", "/shop/version"]
"""
PEOPLE = {"minji": "maintainer", "oskar": "developer", "ines": "viewer"}
STARTER = "portside/starter:latest"
PLOT_SECONDS = 24

SHOP = """
n=0; while true; do n=$((n+1)); ms=$((n * 7919 % 240 + 3))
echo "10.0.0.$((n % 9 + 2)) GET /$(echo home cart items/$((n % 40)) health | cut -d' ' -f$((n % 4 + 1))) 200 ${ms} ms"
[ $((n % 9)) = 0 ] && printf '\\033[33mWARN\\033[0m slow answer: %s ms\\n' $((ms + 400)) >&2
[ $((n % 31)) = 0 ] && printf '\\033[1;31mERROR\\033[0m payment gateway timed out, order %s is retried\\n' $n >&2
i=0; while [ $i -lt $((n % 7 * 900)) ]; do i=$((i+1)); done; sleep 0.3; done
"""
ORDERS = """
mkdir -p /data/2026 /data/returns
n=0; while [ $n -lt 9 ]; do n=$((n+1)); echo '{"currency": "KRW", "items": 3}' > /data/2026/order-$n.json; done
echo 'order;paid' > /data/export.csv; echo 'kept for ten years' > /data/README
while true; do echo "9 orders"; sleep 7; done
"""
CONTAINERS = [
    {"name": "nightly-backup", "command": ["sh", "-c", "echo 4182 files saved"]},
    {"name": "importer", "command": ["sh", "-c", "echo no such table; exit 3"]},
    {
        "name": "metrics",
        "command": ["sh", "-c", "while true; do echo scrape; sleep 5; done"],
        "restart": "always",
        "memory_bytes": 64 << 20,
    },
    {"name": "orders", "command": ["sh", "-c", ORDERS], "network": "front", "volumes": ["orders:/data"]},
    {
        "name": "shop",
        "command": ["sh", "-c", SHOP],
        "memory_bytes": 128 << 20,
        "cpus": 1.5,
        "restart": "unless-stopped",
        "env": {"SHOP_CURRENCY": "KRW", "TZ": "Asia/Seoul"},
        "ports": [{"container": 8080, "host": None}],
    },
]


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with running_portside() as portside, chromium() as browser:
        camera = Camera(browser, portside.url)
        camera.take("welcome", "/")
        ids = _furnish(portside)
        time.sleep(PLOT_SECONDS)
        camera.take("overview-light", "/")
        camera.take("overview-dark", "/", scheme="dark")
        camera.take("containers", "/containers/")
        camera.take("container-light", f"/containers/{ids['shop']}/")
        camera.take("container-dark", f"/containers/{ids['shop']}/", scheme="dark")
        camera.take("container-phone", f"/containers/{ids['shop']}/", width=390)
        camera.take("new-container", f"/containers/new/?like={ids['metrics']}")
        for name, path in _others(portside).items():
            camera.take(name, path)
        portside.remove_containers()
    GALLERY.write_text(_gallery(camera.taken))


class Camera:
    """A browser in which somebody has signed in, once: the audit log is about what else was done. `taken`: pictures."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url, self.taken = browser, url, list[str]()
        with browser.new_context(base_url=url) as context:
            page = context.new_page()
            visit(page, "/login/")
            page.get_by_label("User name").fill("admin")
            page.get_by_label("Password").fill(ADMIN_PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: "/login/" not in url)
            self._signed_in = context.storage_state()

    def take(self, name: str, path: str, *, scheme: Literal["light", "dark"] = "light", width: int = 1440) -> None:
        with self._browser.new_context(
            base_url=self._url,
            viewport={"width": width, "height": 900 if width > 800 else 844},
            color_scheme=scheme,
            storage_state=self._signed_in,
        ) as context:
            page = context.new_page()
            visit(page, path)
            page.wait_for_timeout(2600)  # the next sample of the bars and plots
            page.screenshot(path=IMAGES / f"{name}.png")
        self.taken.append(name)


def _furnish(portside: Portside) -> dict[str, str]:
    """Something to be seen on every page; containers' ids by name."""
    rest = portside.rest
    rest.succeed(rest.post("/api/v1/images/starter/"))
    rest.succeed(rest.post("/api/v1/networks/", {"name": "front", "subnet": "10.77.0.0/24"}))
    rest.succeed(rest.post("/api/v1/volumes/", {"name": "orders", "labels": {"of": "shop"}}))
    ids = {str(body["name"]): _run(portside, body) for body in CONTAINERS}
    network = next(one for one in rest.rows("/api/v1/networks/") if one["name"] == "front")
    rest.succeed(rest.post(f"/api/v1/networks/{network['id']}/connect/", {"container": "shop"}))
    team = rest.rows("/api/v1/teams/")[0]
    for name, role in PEOPLE.items():
        assert rest.post("/api/v1/users/", {"username": name}).status == 201
        assert rest.post(f"/api/v1/teams/{team['id']}/members/", {"user": name, "role": role}).status == 201
    account = {"registry": "registry.example.com", "username": "shop", "password": "not shown"}
    stored = rest.post("/api/v1/registries/", account)
    assert stored.status in (200, 201), stored.json
    return ids


def _others(portside: Portside) -> dict[str, str]:
    """Every other page that has something to show, by its picture's name."""
    rest = portside.rest
    built = rest.post("/api/v1/builds/", {"dockerfile_text": DOCKERFILE, "tags": ["shop:1.4"]})
    rest.succeed(built)
    network = next(one for one in rest.rows("/api/v1/networks/") if one["name"] == "front")
    volume = next(one for one in rest.rows("/api/v1/volumes/") if one["name"] == "orders")
    image = next(one for one in rest.rows("/api/v1/images/") if STARTER in " ".join(one["tags"]))
    host = rest.rows("/api/v1/hosts/")[0]
    team = rest.rows("/api/v1/teams/")[0]
    return {
        "images": "/images/",
        "image": f"/images/{image['image_id'].removeprefix('sha256:')}/",
        "builds": "/builds/",
        "build": f"/builds/{built.json['build']['id']}/",
        "new-build": "/builds/new/",
        "networks": "/networks/",
        "network": f"/networks/{network['id']}/",
        "topology": "/networks/topology/",
        "volumes": "/volumes/",
        "volume": f"/volumes/{volume['id']}/",
        "jobs": "/jobs/",
        "activity": "/activity/",
        "audit": "/audit/",
        "host": f"/hosts/{host['id']}/",
        "registries": "/registries/",
        "team": f"/teams/{team['id']}/",
        "team-policies": f"/teams/{team['id']}/#policies",
        "people": "/people/",
        "roles": "/roles/",
        "settings": "/settings/",
        "tokens": "/settings/tokens/",
    }


def _gallery(names: list[str]) -> str:
    pictures = "\n".join(
        f"## {name.replace('-', ' ').capitalize()}\n\n![{name}](images/{name}.png)\n" for name in names
    )
    how = "Taken by `python -m docs.screenshots` from a running Portside with real containers."
    return f"# Pages\n\n{how}\n\n{pictures}"


def _run(portside: Portside, body: dict[str, object]) -> str:
    answer = portside.rest.post("/api/v1/containers/", {"image": STARTER, **body})
    portside.rest.succeed(answer)
    return str(answer.json["container"]["id"])


if __name__ == "__main__":
    main()
