"""Takes the pictures of the documentation from a running Portside with real containers: nothing is painted.

python -m docs.screenshots            writes docs/images/*.png, and docs/pages.md, which shows them; needs root,
                                      Chromium and two minutes
"""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.support.browser import chromium, visit
from tests.support.portside import ADMIN_PASSWORD, Portside, running_portside

IMAGES = Path(__file__).parent / "images"
GALLERY = Path(__file__).parent / "pages.md"
DOCKERFILE = """FROM portside/starter
RUN mkdir /shop && echo 1.4 > /shop/version
RUN cat /shop/version
CMD ["cat", "/shop/version"]
"""
STARTER = "portside/starter:latest"
PLOT_SECONDS = 24

SHOP = """
n=0; while true; do n=$((n+1)); ms=$((n * 7919 % 240 + 3))
echo "10.0.0.$((n % 9 + 2)) GET /$(echo home cart items/$((n % 40)) health | cut -d' ' -f$((n % 4 + 1))) 200 ${ms} ms"
[ $((n % 9)) = 0 ] && printf '\\033[33mWARN\\033[0m slow answer: %s ms\\n' $((ms + 400)) >&2
[ $((n % 31)) = 0 ] && printf '\\033[1;31mERROR\\033[0m payment gateway timed out, order %s is retried\\n' $n >&2
i=0; while [ $i -lt $((n % 7 * 900)) ]; do i=$((i+1)); done; sleep 0.3; done
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
        _take(portside, browser, "welcome", "/")
        portside.rest.succeed(portside.rest.post("/api/v1/images/starter/"))
        ids = {body["name"]: _run(portside, body) for body in CONTAINERS}
        time.sleep(PLOT_SECONDS)
        _take(portside, browser, "overview-light", "/")
        _take(portside, browser, "overview-dark", "/", scheme="dark")
        _take(portside, browser, "containers", "/containers/")
        _take(portside, browser, "container-light", f"/containers/{ids['shop']}/")
        _take(portside, browser, "container-dark", f"/containers/{ids['shop']}/", scheme="dark")
        _take(portside, browser, "container-phone", f"/containers/{ids['shop']}/", width=390)
        _take(portside, browser, "new-container", f"/containers/new/?like={ids['metrics']}")
        _take(portside, browser, "jobs", "/jobs/")
        for name, path in _others(portside).items():
            _take(portside, browser, name, path)
        portside.remove_containers()
    GALLERY.write_text(_gallery())


def _others(portside: Portside) -> dict[str, str]:
    """Every other page by its picture's name, with something to be seen on it."""
    rest = portside.rest
    rest.succeed(rest.post("/api/v1/networks/", {"name": "front", "subnet": "10.77.0.0/24"}))
    rest.succeed(rest.post("/api/v1/volumes/", {"name": "orders", "labels": {"of": "shop"}}))
    network = next(one for one in rest.rows("/api/v1/networks/") if one["name"] == "front")
    rest.succeed(rest.post(f"/api/v1/networks/{network['id']}/connect/", {"container": "shop"}))
    built = rest.post("/api/v1/builds/", {"dockerfile_text": DOCKERFILE, "tags": ["shop:1.4"]})
    rest.succeed(built)
    volume = next(one for one in rest.rows("/api/v1/volumes/") if one["name"] == "orders")
    image = next(one for one in rest.rows("/api/v1/images/") if STARTER in " ".join(one["tags"]))
    host, team = rest.rows("/api/v1/hosts/")[0], rest.rows("/api/v1/teams/")[0]
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
        "activity": "/activity/",
        "audit": "/audit/",
        "host": f"/hosts/{host['id']}/",
        "registries": "/registries/",
        "teams": "/teams/",
        "team": f"/teams/{team['id']}/",
        "team-policies": f"/teams/{team['id']}/#policies",
        "people": "/people/",
        "roles": "/roles/",
        "recordings": "/recordings/",
        "settings": "/settings/",
        "second-factor": "/settings/second-factor/",
        "passkeys": "/settings/passkeys/",
        "sessions": "/settings/sessions/",
        "tokens": "/settings/tokens/",
        "sign-in": "/settings/sign-in/",
    }


def _gallery() -> str:
    names = sorted(path.stem for path in IMAGES.glob("*.png"))
    pictures = "\n".join(
        f"## {name.replace('-', ' ').capitalize()}\n\n![{name}](images/{name}.png)\n" for name in names
    )
    how = "Taken by `python -m docs.screenshots` from a running Portside with real containers."
    return f"# Every page\n\n{how}\n\n{pictures}"


def _run(portside: Portside, body: dict[str, object]) -> str:
    answer = portside.rest.post("/api/v1/containers/", {"image": STARTER, **body})
    portside.rest.succeed(answer)
    return str(answer.json["container"]["id"])


def _take(
    portside: Portside, browser: Browser, name: str, path: str, *, scheme: str = "light", width: int = 1440
) -> None:
    context = browser.new_context(
        base_url=portside.url,
        viewport={"width": width, "height": 900 if width > 800 else 844},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    _sign_in(page)
    visit(page, path)
    page.wait_for_timeout(2600)  # the next sample of the bars and plots
    page.screenshot(path=IMAGES / f"{name}.png")
    context.close()


def _sign_in(page: Page) -> None:
    visit(page, "/login/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login/" not in url)


if __name__ == "__main__":
    main()
