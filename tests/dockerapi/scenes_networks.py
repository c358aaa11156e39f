"""Networks that go while containers are on them, and what is kept of what was said of them."""

from __future__ import annotations

from tests.dockerapi.scene import OUR_WORDS, Scene

_PLACES = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
_DEVICES = ("ls", "/sys/class/net")
_ROUTES = ("sh", "-c", "ip route | grep -c default")

NETWORKS: dict[str, Scene] = {
    "a network that nobody runs on": Scene(
        (
            ("network", "create", "cmp-net"),
            ("run", "-d", "--name", "cmp-rests", "--network", "cmp-net", "cmp/tiny", "sleep", "1000"),
            ("network", "rm", "cmp-net"),
            ("stop", "-t", "0", "cmp-rests"),
            ("network", "rm", "cmp-net"),
            ("network", "ls", "--filter", "name=cmp-net", "--format", "{{.Name}}"),
            ("inspect", "-f", _PLACES, "cmp-rests"),
            ("start", "cmp-rests"),
            ("network", "create", "cmp-net"),
            ("start", "cmp-rests"),
            ("network", "disconnect", "cmp-net", "cmp-rests"),
            ("inspect", "-f", _PLACES, "cmp-rests"),
            ("network", "connect", "cmp-net", "cmp-rests"),
            ("start", "cmp-rests"),
            ("rm", "-f", "cmp-rests"),
            ("network", "rm", "cmp-net"),
        ),
        differs={2: OUR_WORDS, 7: OUR_WORDS, 9: OUR_WORDS},
    ),
    "a network made again before who is on it ran": Scene(
        (
            ("network", "create", "cmp-net"),
            ("create", "--name", "cmp-waits", "--network", "cmp-net", "--network-alias", "site", "cmp/tiny", "sleep",
             "1000"),
            ("network", "rm", "cmp-net"),
            ("start", "cmp-waits"),
            ("network", "create", "cmp-net"),
            ("start", "cmp-waits"),
            ("inspect", "-f", _PLACES, "cmp-waits"),
            ("exec", "cmp-waits", "sh", "-c", "nslookup site | grep -c ^Name"),
            ("rm", "-f", "cmp-waits"),
            ("network", "rm", "cmp-net"),
        ),
        differs={3: OUR_WORDS},
    ),
    "the default network joined and left": Scene(
        (
            ("network", "create", "cmp-net"),
            ("run", "-d", "--name", "cmp-on", "--network", "cmp-net", "cmp/tiny", "sleep", "1000"),
            ("create", "--name", "cmp-rests", "--network", "cmp-net", "cmp/tiny", "sleep", "1000"),
            ("network", "connect", "--alias", "x", "bridge", "cmp-on"),
            ("network", "connect", "bridge", "cmp-on"),
            ("network", "connect", "bridge", "cmp-on"),
            ("network", "connect", "bridge", "cmp-rests"),
            ("inspect", "-f", _PLACES, "cmp-on", "cmp-rests"),
            ("exec", "cmp-on", *_DEVICES),
            ("restart", "-t", "0", "cmp-on"),
            ("exec", "cmp-on", *_DEVICES),
            ("start", "cmp-rests"),
            ("exec", "cmp-rests", *_DEVICES),
            ("ps", "-a", "--filter", "network=bridge", "--format", "{{.Names}}"),
            ("network", "disconnect", "bridge", "cmp-on"),
            ("network", "disconnect", "bridge", "cmp-on"),
            ("exec", "cmp-on", *_ROUTES),
            ("network", "disconnect", "cmp-net", "cmp-on"),
            ("exec", "cmp-on", *_DEVICES),
            ("inspect", "-f", "{{json .NetworkSettings.Networks}}", "cmp-on"),
            ("restart", "-t", "0", "cmp-on"),
            ("exec", "cmp-on", *_DEVICES),
            ("network", "connect", "bridge", "cmp-on"),
            ("exec", "cmp-on", *_ROUTES),
            ("rm", "-f", "cmp-on", "cmp-rests"),
            ("network", "rm", "cmp-net"),
        ),
        unordered=frozenset({13}),
        differs={8: "the name of an interface is the next one that is free", 10: "the same", 12: "the same"},
    ),
    "a network that published ports need": Scene(
        (
            ("network", "create", "cmp-net"),
            ("run", "-d", "--name", "cmp-on", "-p", "127.0.0.1::80", "cmp/tiny", "sleep", "1000"),
            ("network", "disconnect", "bridge", "cmp-on"),
            ("port", "cmp-on"),
            ("restart", "-t", "0", "cmp-on"),
            ("port", "cmp-on"),
            ("network", "connect", "cmp-net", "cmp-on"),
            ("port", "cmp-on"),
            ("rm", "-f", "cmp-on"),
            ("network", "rm", "cmp-net"),
        ),
        masked={7: r"\d+$"},
    ),
    "what was said of a network": Scene(
        (
            ("network", "create", "-o", "foo=bar", "--attachable", "--subnet", "10.130.8.0/24", "cmp-net"),
            ("network", "inspect", "-f", "{{json .Options}} {{.Attachable}}", "cmp-net"),
            ("network", "create", "-o", "com.docker.network.bridge.enable_icc=maybe", "cmp-more"),
            ("run", "-d", "--name", "cmp-on", "--network", "bridge", "cmp/tiny", "sleep", "1000"),
            ("network", "connect", "--ip", "10.130.8.9", "cmp-net", "cmp-on"),
            ("inspect", "-f", '{{json (index .NetworkSettings.Networks "cmp-net").IPAMConfig}}', "cmp-on"),
            ("network", "connect", "bridge", "cmp-on"),
            ("rm", "-f", "cmp-on"),
            ("network", "rm", "cmp-net"),
        ),
        differs={2: OUR_WORDS},
    ),
}  # fmt: skip
