"""`/metrics` for Prometheus: numbers only, no names of containers, teams or people.

Counts of objects are asked of the database when somebody looks; durations are observed as requests end.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Count
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from webui.containers.models import Container, ObservedStatus
from webui.hosts.models import Host
from webui.images.models import Image
from webui.jobs.models import Job, JobStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

registry = CollectorRegistry()
requests = Histogram(
    "portside_request_seconds",
    "How long requests took, by door.",
    ["door", "method"],
    buckets=_BUCKETS,
    registry=registry,
)
responses = Counter("portside_responses", "Answers by door and status class.", ["door", "status"], registry=registry)
sockets = Counter("portside_sockets_opened", "WebSockets that were asked for.", registry=registry)
_DOORS = {"/api/": "api", "/static/": "static", "/v1.": "docker"}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Objects(Collector):
    """What there is, counted at each look."""

    def collect(self) -> Iterable[Metric]:
        hosts = [host.is_online for host in Host.objects.only("heartbeat_at", "stopped_at")]
        yield _gauge("portside_hosts", "Hosts.", "state", {"online": sum(hosts), "offline": len(hosts) - sum(hosts)})
        yield _gauge("portside_containers", "Containers by what was seen.", "status", _by(Container, "observed_status"))
        yield _gauge("portside_jobs", "Jobs by status.", "status", _by(Job, "status"))
        yield GaugeMetricFamily("portside_images", "Images on all hosts.", value=Image.objects.count())


registry.register(
    Objects(),
)


def _by(model: type[Container] | type[Job], name: str) -> dict[str, int]:
    choices = ObservedStatus.values if model is Container else JobStatus.values
    counted = model._default_manager.order_by().values_list(name).annotate(Count("pk"))
    return {str(value): 0 for value in choices} | dict(counted)


def _gauge(name: str, text: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        gauge.add_metric([value], number)
    return gauge


def request_observed(path: str, method: str, status: int, seconds: float) -> None:
    """Note one answer. Paths are folded into doors, so that nobody can make labels without end."""
    door = next((door for start, door in _DOORS.items() if path.startswith(start)), "pages")
    method = method if method in _METHODS else "other"
    requests.labels(door, method).observe(seconds)
    responses.labels(door, f"{status // 100}xx").inc()


def exposition() -> bytes:
    """Everything in Prometheus' text format. Queries the database; blocks."""
    return generate_latest(registry)
