"""The options of `docker run` in requests and answers: one table of names, kinds and explanations for both."""

from __future__ import annotations

from typing import Any, NamedTuple

from rest_framework import serializers

from engine.options.checking import RT_PERIOD_MAXIMUM
from webui.api import bodies

BIG = (0, (1 << 60) - 1)


class Option(NamedTuple):
    """`kind`: texts, flag, text, number, map or health; `bounds`: of a number, for the document."""

    name: str
    kind: str
    help: str
    bounds: tuple[int, int] = BIG
    default: Any = None


OPTIONS = (
    Option("cap_add", "texts", "Capabilities to add, with or without CAP_, or ALL."),
    Option("cap_drop", "texts", "Capabilities to take away, or ALL."),
    Option("privileged", "flag", "All capabilities and devices, no seccomp, no masked paths. Needs the right loosen."),
    Option("read_only", "flag", "The root file system can't be written."),
    Option(
        "security_opt",
        "texts",
        "no-new-privileges=false, seccomp=unconfined or seccomp={the profile's JSON}, apparmor=PROFILE, "
        "systempaths=unconfined, mask=/a:/b, unmask=/a:/b.",
    ),
    Option("userns", "text", "auto: user ids of its own; host: the host's (needs the right loosen).", default="auto"),
    Option("runtime", "text", "portside, or one that the host has installed, such as crun.", default="portside"),
    Option("init", "flag", "A small process 1 that buries orphans and hands signals on."),
    Option("tty", "flag", "A terminal of its own, for those who attach; its output is one stream."),
    Option("stdin_open", "flag", "An input that stays open, for those who attach."),
    Option("stdin_once", "flag", "The input ends with the first who attaches and ends it; needs stdin_open."),
    Option("devices", "texts", "Devices of the host, as HOST[:CONTAINER[:rwm]]. Needs the right loosen."),
    Option("device_cgroup_rules", "texts", "As 'c 10:229 rwm'. Needs the right loosen."),
    Option("group_add", "texts", "Supplementary groups, by name or number."),
    Option("sysctls", "map", "Kernel settings of the container's own namespaces, such as net.core.somaxconn."),
    Option("ulimits", "texts", "As nofile=1024:4096."),
    Option("tmpfs", "texts", "File systems in memory, as /run:size=64m."),
    Option("volumes", "texts", "As data:/var/lib/data[:ro,nocopy], or /HOST/PATH:/PATH (needs the right loosen)."),
    Option(
        "mounts",
        "texts",
        "As type=volume|bind|tmpfs|image,source=…,target=…; bind needs the right loosen. An image's files are "
        "read-only, all of them or those in image-subpath=…; one that is missing is pulled, as `pull` says.",
    ),
    Option("volumes_from", "texts", "Containers whose mounts it has too, as NAME[:ro]."),
    Option("volume_driver", "text", "local, or left out."),
    Option("shm_size", "number", "Bytes of /dev/shm; 64 MiB if left out.", (4096, BIG[1])),
    Option("stop_signal", "text", "What a stop sends first; the image's own if left out."),
    Option("stop_timeout", "number", "Seconds until a stop kills; 10 if left out, -1 for ever.", (-1, 86_400)),
    Option("auto_remove", "flag", "Remove it, with its log, when it ends."),
    Option("domainname", "text", "The host name's domain."),
    Option("extra_hosts", "texts", "Lines of /etc/hosts, as NAME:ADDRESS; host-gateway stands for the host."),
    Option("dns", "texts", "Addresses of name servers."),
    Option("dns_search", "texts", "Search domains."),
    Option("dns_options", "texts", "Resolver options, such as ndots:2."),
    Option("memory_reservation", "number", "Bytes it is left with when memory is short.", (6 << 20, BIG[1])),
    Option("memory_swap", "number", "Bytes of memory and swap together; -1 for any amount of swap.", (-1, BIG[1])),
    Option("oom_score_adj", "number", "-1000 to 1000, killed first; below 0 needs loosen.", (-1000, 1000)),
    Option("oom_kill_disable", "flag", "Wait for memory instead of being killed (control groups v1)."),
    Option("cpu_shares", "number", "The weight beside others; 1024 is usual.", (2, 262_144)),
    Option("cpu_quota", "number", "Microseconds in each period; -1 for no limit.", (-1, 1 << 40)),
    Option("cpu_period", "number", "Microseconds; 100000 if left out.", (1000, 1_000_000)),
    Option("cpu_rt_runtime", "number", "Microseconds of real-time priority in each period.", (1, RT_PERIOD_MAXIMUM)),
    Option("cpu_rt_period", "number", "Microseconds; 1000000 if left out.", (1000, RT_PERIOD_MAXIMUM)),
    Option("cpuset_cpus", "text", "The processors it may use, as 0-3,6."),
    Option("cpuset_mems", "text", "The memory nodes it may use."),
    Option("blkio_weight", "number", "The weight of its disk access.", (10, 1000)),
    Option("device_read_bps", "texts", "Bytes a second from a disk, as /dev/sda:1048576."),
    Option("device_write_bps", "texts", "Bytes a second to a disk."),
    Option("device_read_iops", "texts", "Reads a second of a disk, as /dev/sda:100."),
    Option("device_write_iops", "texts", "Writes a second of a disk."),
    Option("healthcheck", "health", "How to find out whether it is well; null for the image's own check."),
    Option("restart_unhealthy", "flag", "Restart it when its health check fails, whatever its restart policy."),
    Option("network", "text", "bridge, none, host (needs loosen), container:NAME, or a network.", default="bridge"),
    Option("networks", "texts", "Further networks, as NAME:ip=10.1.0.5,mac=02:00:00:00:00:05,alias=db."),
    Option("network_alias", "texts", "More names on the network that network names."),
    Option("link", "texts", "Names of other containers there that this one alone knows, as shop-db-1:database."),
    Option("ip", "text", "The address on that network; a free one if left out."),
    Option("ip6", "text", "The IPv6 address on that network; a free one if left out and the network has IPv6."),
    Option("mac_address", "text", "The MAC address on that network; one of its own if left out."),
    Option(
        "pid", "text", "private, host (needs loosen), or container:NAME: whose processes it sees.", default="private"
    ),
    Option(
        "ipc",
        "text",
        "private, shareable, none, host (needs loosen), or container:NAME: shared memory and message queues.",
        default="private",
    ),
    Option("uts", "text", "private, or host (needs loosen): the host name.", default="private"),
    Option("cgroupns", "text", "private, or host (needs loosen): the control groups it sees.", default="private"),
    Option("expose", "texts", "Ports that it listens on, as 80, 53/udp or 8000-8010; publish_all publishes them."),
    Option("publish_all", "flag", "Publish each port that the image or expose names on a free one of publish_address."),
    Option("publish_address", "text", "The team's usual one if left out, 127.0.0.1. Where publish_all publishes."),
    Option("pull", "text", "missing, always or never: when the image is pulled.", default="missing"),
    Option("platform", "text", "The image's platform, as linux/arm64; the host's if left out."),
    Option("annotations", "map", "Annotations of the OCI bundle, for runtimes and hooks."),
    Option("memory_swappiness", "number", "0 to 100, -1 for the host's own (control groups v1).", (-1, 100)),
    Option("blkio_weight_device", "texts", "The weight of its access to one disk, as /dev/sda:500."),
    Option(
        "log_driver",
        "text",
        "json-file or local (both Portside's own log), or none (the newest MiB, for those who are attached).",
        default="json-file",
    ),
    Option(
        "log_opt",
        "map",
        "max-size, as 10m, and max-file: the log's bytes in one file, and how many files stay; labels, labels-regex, "
        "env, env-regex and tag: what a log read with details shows before each line; mode and max-buffer-size.",
    ),
    Option(
        "storage_opt",
        "map",
        "size, as 10G: what the container's own files may take on the host's disk, beside the image's and volumes. "
        "Needs project quotas on the file system of the host's PORTSIDE_HOME.",
    ),
    Option("depends_on", "texts", "Names of containers that are started before it when the host starts."),
)


TEST_HELP = "CMD and a program with its words, CMD-SHELL and a line for the shell, or NONE for no check."
RETRIES_HELP = "So many failures in a row make it unhealthy; 3."


class HealthcheckBody(bodies.Body):
    """What is left out comes from the image."""

    test = bodies.serializers.ListField(child=bodies.Text(allow_blank=True), required=False, help_text=TEST_HELP)
    interval_seconds = bodies.Number(
        required=False, allow_null=True, help_text="From one check to the next; 30 if left out here and in the image."
    )
    timeout_seconds = bodies.Number(
        required=False, allow_null=True, help_text="After which a check is killed and has failed; 30."
    )
    start_period_seconds = bodies.Number(
        required=False, allow_null=True, help_text="In which failures of what was never healthy don't count; 0."
    )
    start_interval_seconds = bodies.Number(
        required=False, allow_null=True, help_text="From one check to the next in the start period; 5."
    )
    retries = bodies.Whole((1, 1000), required=False, allow_null=True, help_text=RETRIES_HELP)


class HealthcheckSchema(serializers.Serializer[Any]):
    test = serializers.ListField(child=serializers.CharField(allow_blank=True), required=False, help_text=TEST_HELP)
    interval_seconds = serializers.FloatField(required=False, allow_null=True)
    timeout_seconds = serializers.FloatField(required=False, allow_null=True)
    start_period_seconds = serializers.FloatField(required=False, allow_null=True)
    start_interval_seconds = serializers.FloatField(required=False, allow_null=True)
    retries = serializers.IntegerField(required=False, allow_null=True)

    class Meta:
        ref_name = "Healthcheck"


def _asked(option: Option) -> serializers.Field[Any, Any, Any, Any]:
    """The field of a request's body; the service checks values, so that all that is wrong is told at once."""
    if option.kind == "texts":
        child = bodies.Text(allow_blank=True)
        return serializers.ListField(child=child, required=False, help_text=option.help)
    if option.kind == "map":
        return bodies.Strings(required=False, help_text=option.help)
    if option.kind == "flag":
        return bodies.Flag(required=False, help_text=option.help)
    if option.kind == "number":
        return bodies.Whole(option.bounds, required=False, allow_null=True, help_text=option.help)
    if option.kind == "health":
        return HealthcheckBody(required=False, allow_null=True, help_text=option.help)
    return bodies.Text(required=False, allow_null=option.default is None, help_text=option.help)


def _answered(option: Option) -> serializers.Field[Any, Any, Any, Any]:
    if option.kind == "texts":
        return serializers.ListField(child=serializers.CharField(allow_blank=True), help_text=option.help)
    if option.kind == "map":
        return serializers.DictField(child=serializers.CharField(allow_blank=True), help_text=option.help)
    if option.kind == "flag":
        return serializers.BooleanField(help_text=option.help)
    if option.kind == "number":
        return serializers.IntegerField(allow_null=True, help_text=option.help)
    if option.kind == "health":
        return HealthcheckSchema(allow_null=True, help_text=option.help)
    return serializers.CharField(allow_null=option.default is None, help_text=option.help)


def asked() -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    """Fields for the body of a request."""
    return {option.name: _asked(option) for option in OPTIONS}


def answered() -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    """Fields for the shape of an answer."""
    words = serializers.ListField
    return {option.name: _answered(option) for option in OPTIONS} | {
        "loosened": words(child=serializers.CharField(), help_text="What is less isolated than usual, in words."),
        "tightened": words(child=serializers.CharField(), help_text="What is more isolated than usual, in words."),
    }
