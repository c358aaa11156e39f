"""Networks that go while containers are on them, and what is kept of what was said of them."""

from __future__ import annotations

from tests.dockerapi.scene import OUR_WORDS, Scene

_PLACES = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"

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
    "what was said of a network": Scene(
        (
            ("network", "create", "-o", "foo=bar", "--attachable", "--subnet", "10.213.8.0/24", "cmp-net"),
            ("network", "inspect", "-f", "{{json .Options}} {{.Attachable}}", "cmp-net"),
            ("network", "create", "-o", "com.docker.network.bridge.enable_icc=maybe", "cmp-more"),
            ("run", "-d", "--name", "cmp-on", "--network", "bridge", "cmp/tiny", "sleep", "1000"),
            ("network", "connect", "--ip", "10.213.8.9", "cmp-net", "cmp-on"),
            ("inspect", "-f", '{{json (index .NetworkSettings.Networks "cmp-net").IPAMConfig}}', "cmp-on"),
            ("network", "connect", "bridge", "cmp-on"),
            ("rm", "-f", "cmp-on"),
            ("network", "rm", "cmp-net"),
        ),
        differs={2: OUR_WORDS},
    ),
}  # fmt: skip
