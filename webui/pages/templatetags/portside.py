"""Filters and tags of the pages: sizes, times, icons. Scripts write the same forms (static/js/format.js)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from typing import Any

from django import template
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from webui.pages import words

register = template.Library()

UNKNOWN = "\N{EN DASH}"
_BREAKS = re.compile(r"(?<=/)|(?=[:@])")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SPANS = ((86400 * 365, "year"), (86400 * 30, "month"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@register.filter
def size(count: float | None) -> str:
    """Bytes for people: three digits and a binary unit."""
    if count is None:
        return UNKNOWN
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    if unit == 0 or value >= 100:
        return f"{value:.0f} {_UNITS[unit]}"
    return f"{value:.1f} {_UNITS[unit]}".replace(".0 ", " ")


@register.filter
def share(used: float, total: float) -> str:
    """Used and total in the total's unit: `10.1 of 16 GiB`."""
    unit, divisor = 0, 1
    while total / divisor >= 1000 and unit < len(_UNITS) - 1:
        unit, divisor = unit + 1, divisor * 1024
    texts = [
        f"{value:.0f}" if value >= 100 or unit == 0 else f"{value:.1f}".removesuffix(".0")
        for value in (used / divisor, total / divisor)
    ]
    return f"{texts[0]} of {texts[1]} {_UNITS[unit]}"


@register.filter
def span(seconds: float | None) -> str:
    """A duration: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


@register.filter
def ago(at: str | datetime | None) -> str:
    """`3 minutes ago`; `just now` under five seconds."""
    moment = _moment(at)
    if moment is None:
        return "never"
    seconds = (timezone.now() - moment).total_seconds()
    return "just now" if seconds < 5 else f"{_spans(seconds)} ago"


def until(moment: datetime) -> str:
    """`in 3 minutes` of what is to come; of what has come how long ago that was."""
    seconds = (moment - timezone.now()).total_seconds()
    return ago(moment) if seconds < 1 else f"in {_spans(seconds)}"


def _spans(seconds: float) -> str:
    """In the greatest unit of which there is a whole one; at least a second."""
    length, name = next(((length, name) for length, name in _SPANS if seconds >= length), _SPANS[-1])
    count = int(seconds // length)
    return f"{count} {name}{'s' if count > 1 else ''}"


@register.simple_tag
def when(at: str | datetime | None, form: str = "ago") -> SafeString | str:
    """A <time> that the script keeps true: `ago` counts from then, `until` to then, `for` is how long it has lasted."""
    moment = _moment(at)
    if moment is None:
        return UNKNOWN
    if form == "for":
        text = span((timezone.now() - moment).total_seconds())
    else:
        text = until(moment) if form == "until" else ago(moment)
    return format_html('<time datetime="{}" data-time="{}">{}</time>', moment.isoformat(), form, text)


@register.simple_tag
@cache  # a list of a hundred rows has a thousand
def icon(name: str) -> SafeString:
    """One of static/img/icons.svg; decoration only, so hidden from screen readers."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("img/icons.svg"), name
    )


@register.filter
def word(key: Any, table: str) -> str:
    """`{{ job.kind|word:"JOB_KIND" }}`: look the key up in `webui.pages.words`."""
    found: dict[str, str] = getattr(words, table)
    return found.get(str(key), str(key))


@register.filter
def shell(command: Sequence[str]) -> str:
    """A list of arguments as one would type it."""
    return shlex.join(command)


@register.filter
def breakable(name: str) -> SafeString:
    """A reference that a narrow column breaks between its parts, not in the middle of a word."""
    return format_html_join(SafeString("<wbr>"), "{}", ((part,) for part in _BREAKS.split(name)))


def _moment(at: str | datetime | None) -> datetime | None:
    return parse_datetime(at) if isinstance(at, str) else at


@register.filter
def hostname(address: str) -> str:
    """`site.example:8000` → `site.example`, brackets of IPv6 kept: where published ports answer."""
    return address.rsplit(":", 1)[0] if not address.endswith("]") and ":" in address else address


@register.filter
def thousands(number: int) -> str:
    """`16,777,213`."""
    return f"{number:,}"


@register.filter
def outside(port: dict[str, Any]) -> str:
    """`127.0.0.1:8080`, `[::1]:8080`: where a published port is on the host."""
    return f"{_bracketed(port['address'])}:{port['host']}"


@register.filter
def port_link(port: dict[str, Any], request: HttpRequest) -> str:
    """Where a browser finds a published port; empty for what is no TCP. The host's own addresses are the site's."""
    if port["protocol"] != "tcp" or not port["host"]:
        return ""
    here = not port["address"] or is_of_host(port["address"])
    return f"http://{hostname(request.get_host()) if here else _bracketed(port['address'])}:{port['host']}/"


def is_of_host(address: str) -> bool:
    """Whether it stands for the host itself: a loopback address or name, or all addresses there are."""
    try:
        found = ip_address(address.strip("[]"))
    except ValueError:
        return address == "localhost"
    return found.is_loopback or found.is_unspecified


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@register.filter
def disk_used(host: dict[str, Any]) -> int:
    return max(0, int(host["disk_total_bytes"]) - int(host["disk_free_bytes"]))


@register.filter
def disk_used_percent(host: dict[str, Any]) -> float:
    return 100 * disk_used(host) / host["disk_total_bytes"] if host["disk_total_bytes"] else 0.0


@register.filter
def familiar(reference: str) -> str:
    """A reference as people say it: Docker Hub's own prefixes are left out."""
    return reference.removeprefix("docker.io/library/").removeprefix("docker.io/")


@register.filter
def layers(progress: dict[str, Any] | None) -> list[dict[str, Any]]:
    """`progress.items`, which in a template would be the dictionary's method."""
    return (progress or {}).get("items") or []


@register.filter
def advice(error: dict[str, Any] | None) -> str:
    """What to do about a job's error."""
    return words.ADVICE.get((error or {}).get("family", ""), "")


@register.filter
def short(digest: str | None) -> str:
    """Twelve digits of a digest or an id; names are left alone."""
    digits = (digest or "").removeprefix("sha256:")
    return digits[:12] if len(digits) == 64 and set(digits) <= set("0123456789abcdef") else digest or ""
