"""What can be done with a container: start, stop, kill, pause, rename and so on. Each answers 202 with its job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from engine.options.checking import RT_PERIOD_MAXIMUM
from webui.api import bodies
from webui.api.operations import job_reference, operation
from webui.api.schemas import Accepted
from webui.api.views.containers import NewPort, find
from webui.containers import services
from webui.containers.committing import container_commit
from webui.containers.request import MEMORY_MINIMUM, PIDS_MAXIMUM, RESTART_POLICIES
from webui.jobs.models import Job
from webui.networks.services import network_leave


class SignalName(bodies.Text):
    """A signal; which there are, the service knows."""

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, int) and not isinstance(data, bool):
            raise serializers.ValidationError('Give a string, such as "KILL" or "9".')
        return super().to_internal_value(data)


class Stop(bodies.Body):
    timeout_seconds = bodies.Number(required=False, allow_null=True, help_text="Grace before SIGKILL; 10 if left out.")
    signal = SignalName(required=False, allow_null=True, help_text="The image's stop signal if left out.")


class Kill(bodies.Body):
    signal = SignalName(required=False, help_text="SIGKILL if left out.")


class Signal(bodies.Body):
    host_pid = bodies.Whole((1, PIDS_MAXIMUM), help_text="As its host numbers it: host_pid of top.")
    started_at = bodies.Number(help_text="As top tells it, lest another process of that number gets the signal.")
    signal = SignalName(required=False, help_text="SIGTERM if left out.")


class Rename(bodies.Body):
    name = bodies.Text(max_length=128, help_text="What no other container of the host is called.")


class Commit(bodies.Body):
    reference = bodies.Text(max_length=300, help_text="The new image's name, as team/app:1.")
    author = bodies.Text(required=False, max_length=1000)
    comment = bodies.Text(required=False, max_length=1000)
    changes = serializers.ListField(
        child=bodies.Text(),
        required=False,
        help_text="CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR "
        "as in a Dockerfile.",
    )
    pause = bodies.Flag(required=False, help_text="Let it stand still meanwhile; true if left out.")


class FormerPort(bodies.Body):
    container = bodies.Whole((1, 65535), help_text="The port inside. What else is named has to fit, too.")
    host = bodies.Whole((1, 65535), required=False, help_text="The port outside that it was asked for.")
    protocol = bodies.Text(required=False)
    address = bodies.Text(required=False)


def _rates(help_text: str | None = None) -> serializers.ListField:
    return serializers.ListField(child=bodies.Text(), required=False, allow_null=True, help_text=help_text)


class Update(bodies.Body):
    """What is left out stays as it is; null is no limit."""

    memory_bytes = bodies.Whole((MEMORY_MINIMUM, (1 << 60) - 1), required=False, allow_null=True)
    memory_swap = bodies.Whole((-1, (1 << 60) - 1), required=False, allow_null=True, help_text="-1: any amount.")
    memory_reservation = bodies.Whole((MEMORY_MINIMUM, (1 << 60) - 1), required=False, allow_null=True)
    cpus = bodies.Number(required=False, allow_null=True, help_text="Cores; replaces cpu_quota and cpu_period.")
    cpu_shares = bodies.Whole((2, 262_144), required=False, allow_null=True)
    cpu_quota = bodies.Whole((-1, 1 << 40), required=False, allow_null=True, help_text="Replaces cpus.")
    cpu_period = bodies.Whole((1000, 1_000_000), required=False, allow_null=True)
    cpu_rt_runtime = bodies.Whole((1, RT_PERIOD_MAXIMUM), required=False, allow_null=True, help_text="Microseconds.")
    cpu_rt_period = bodies.Whole((1000, RT_PERIOD_MAXIMUM), required=False, allow_null=True)
    cpuset_cpus = bodies.Text(required=False, allow_null=True, help_text="As 0-3,6.")
    cpuset_mems = bodies.Text(required=False, allow_null=True)
    pids_limit = bodies.Whole((-1, PIDS_MAXIMUM), required=False, allow_null=True, help_text="-1: none; null: usual.")
    blkio_weight = bodies.Whole((10, 1000), required=False, allow_null=True)
    device_read_bps = _rates("All of them, as /dev/sda:1048576: others go.")
    device_write_bps = _rates()
    device_read_iops = _rates()
    device_write_iops = _rates()
    restart = bodies.Text(required=False, help_text=f"One of {', '.join(RESTART_POLICIES)}.")
    restart_limit = bodies.Whole((1, 1_000_000), required=False, allow_null=True)
    labels = bodies.Strings(required=False, help_text="All of them: others go.")
    add_labels = bodies.Strings(required=False, help_text="Beside those that it has.")
    remove_labels = serializers.ListField(child=bodies.Text(), required=False, help_text="Names.")
    ports = NewPort(many=True, required=False, help_text="All of them: others go. Connections that live go on.")
    add_ports = NewPort(many=True, required=False, help_text="Beside those that it has.")
    remove_ports = FormerPort(many=True, required=False, help_text="Those that fit.")


class Leave(bodies.Body):
    network = bodies.Text(max_length=64, help_text="Its name or network_id; bridge for the default one.")


class Restart(bodies.Body):
    timeout_seconds = bodies.Number(required=False, allow_null=True, help_text="Grace before SIGKILL; 10 if left out.")


def action(name: str, body: type[bodies.Body], service: Callable[..., Job], summary: str) -> type[APIView]:
    """A view for `POST /containers/{id}/<name>/`: endpoints that differ in nothing but these four."""

    def post(self: APIView, request: Request, container_id: str) -> Response:
        wishes: dict[str, Any] = bodies.read(body, request)
        job = service(user=request.user, container=find(request, container_id), **wishes)
        return Response(job_reference(job), status=202)

    post.__doc__ = summary
    describe = operation(
        f"containers_{name}", tag="containers", body=body, answers={202: Accepted}, problems=[403, 404, 409]
    )
    return type(f"Container{name.title()}", (APIView,), {"post": describe(post)})


ACTIONS: dict[str, type[APIView]] = {
    name: action(name, body, service, summary)
    for name, body, service, summary in (
        ("start", bodies.EmptyBody, services.container_start, "Start a container that does not run."),
        ("stop", Stop, services.container_stop, "Stop a container: its stop signal, then SIGKILL after the grace."),
        ("kill", Kill, services.container_kill, "Send a signal to a container's first process."),
        ("signal", Signal, services.container_signal, "Send a signal to one of a container's processes."),
        ("restart", Restart, services.container_restart, "Stop a container and start it again."),
        ("pause", bodies.EmptyBody, services.container_pause, "Freeze all processes of a container."),
        ("unpause", bodies.EmptyBody, services.container_unpause, "Let a frozen container go on."),
        ("update", Update, services.container_update, "Change limits, policy, labels, ports; it may run."),
        ("commit", Commit, container_commit, "Make an image of a container's changes and configuration."),
        ("leave", Leave, network_leave, "Leave a network, at once if it runs; also one that was removed meanwhile."),
        ("rename", Rename, services.container_rename, "Give a container another name; it may run meanwhile."),
    )
}
