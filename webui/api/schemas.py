"""The shapes of answers, for the OpenAPI document; `representation.py` of each app makes them.

`tests/webui/api/test_schema.py` compares the two, so that neither can drift.
"""

from __future__ import annotations

from rest_framework import serializers

from webui.accounts.models import RecordTerminals
from webui.api import option_shapes
from webui.containers.models import DesiredStatus, ObservedStatus
from webui.containers.request import RESTART_POLICIES
from webui.jobs.models import JobStatus


class TeamReference(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()


class HostReference(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()


class TeamSchema(TeamReference):
    role = serializers.CharField(
        allow_blank=True,
        help_text="Yours in the whole team: a built-in one, a custom role's key, or empty: none.",
    )
    keep_logs_days = serializers.IntegerField(help_text="How long logs of removed containers are kept; 0: not at all.")
    record_terminals = serializers.ChoiceField(RecordTerminals.choices)
    keep_recordings_days = serializers.IntegerField()
    require_second_factor = serializers.BooleanField(help_text="Whether members need one to be let in by a session.")
    publish_addresses = serializers.ListField(
        child=serializers.CharField(), help_text="Where members may publish ports besides the host's loopback."
    )
    publish_default = serializers.CharField(help_text="Where a port is published without an address.")
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Team"


class TokenSchema(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text="null: all you may do.")
    team = TeamReference(allow_null=True, help_text="null: all of yours.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="null: no end.")


class NewTokenSchema(TokenSchema):
    token = serializers.CharField(help_text="The secret; shown this once.")


class RuntimeSchema(serializers.Serializer):
    name = serializers.CharField(help_text="What a container's runtime can be.")
    version = serializers.CharField(allow_blank=True)
    problem = serializers.CharField(allow_blank=True, help_text="Why it can't be chosen; empty if it can.")


class HostSchema(HostReference):
    team = TeamReference()
    online = serializers.BooleanField()
    cores = serializers.IntegerField()
    memory_bytes = serializers.IntegerField()
    disk_total_bytes = serializers.IntegerField()
    disk_free_bytes = serializers.IntegerField()
    kernel = serializers.CharField(allow_blank=True)
    architecture = serializers.CharField(allow_blank=True)
    operating_system = serializers.CharField(allow_blank=True)
    cgroup_version = serializers.CharField(allow_blank=True)
    engine_version = serializers.CharField(allow_blank=True)
    runtimes = RuntimeSchema(many=True, help_text="OCI runtimes that are installed beside the engine's own, portside.")
    apparmor_profile = serializers.CharField(
        allow_blank=True, help_text="What confines containers unasked; empty where the kernel has no AppArmor."
    )
    apparmor_problem = serializers.CharField(
        allow_blank=True, help_text="Why containers go without it, where the kernel has AppArmor."
    )
    cpu_rt_problem = serializers.CharField(
        allow_blank=True, help_text="Why no container can have real-time processor time; empty if it can."
    )
    swap_problem = serializers.CharField(
        allow_blank=True, help_text="Why memory_swap can't limit what a container swaps; empty if it can."
    )
    registered_at = serializers.DateTimeField()
    heartbeat_at = serializers.DateTimeField(allow_null=True)
    url = serializers.CharField()


class PortSchema(serializers.Serializer):
    container = serializers.IntegerField()
    host = serializers.IntegerField(allow_null=True, help_text="null: a free one, known once it runs.")
    host_last = serializers.IntegerField(allow_null=True, help_text="Before it runs: it gets one from host to this.")
    protocol = serializers.ChoiceField(["tcp", "udp", "sctp"])
    address = serializers.CharField()


class MountSchema(serializers.Serializer):
    type = serializers.ChoiceField(["volume", "bind", "tmpfs", "image"])
    name = serializers.CharField(allow_blank=True, help_text="A volume's, or an image's as it was asked for.")
    source = serializers.CharField(allow_blank=True, help_text="The host's directory, of a bind; an image's id.")
    destination = serializers.CharField(help_text="Where the container sees it.")
    read_only = serializers.BooleanField()


class HealthResultSchema(serializers.Serializer):
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    exit_code = serializers.IntegerField(help_text="0: healthy; -1: it took too long.")
    output = serializers.CharField(allow_blank=True, help_text="At most 4096 bytes.")


class HealthHistorySchema(serializers.Serializer):
    status = serializers.CharField(allow_null=True, help_text="As in health of a container; null: it has no check.")
    failing_streak = serializers.IntegerField()
    results = HealthResultSchema(many=True, help_text="The newest last.")


class HealthSchema(serializers.Serializer):
    status = serializers.ChoiceField(
        ["starting", "healthy", "unhealthy", "none"], help_text="none: nothing is checked, as it doesn't run."
    )
    failing_streak = serializers.IntegerField()
    log = HealthResultSchema(many=True, help_text="The last five, the newest last.")


class GoneNetworkSchema(serializers.Serializer):
    network_id = serializers.CharField(help_text="64 hex digits.")
    name = serializers.CharField()


_Options = type("_Options", (serializers.Serializer,), option_shapes.answered())


class ContainerSchema(_Options):  # type: ignore[valid-type,misc]
    id = serializers.CharField(help_text="64 hex digits.")
    short_id = serializers.CharField()
    name = serializers.CharField()
    image = serializers.CharField(help_text="As it was asked for.")
    image_id = serializers.CharField(allow_blank=True)
    host = HostReference()
    team = TeamReference()
    status = serializers.ChoiceField(ObservedStatus.choices, help_text="What the host saw.")
    desired_status = serializers.ChoiceField(DesiredStatus.choices, help_text="What was asked for.")
    exit_code = serializers.IntegerField(allow_null=True)
    oom_killed = serializers.BooleanField()
    error = serializers.CharField(allow_null=True)
    ip_address = serializers.CharField(allow_null=True)
    ports = PortSchema(many=True)
    mounted = MountSchema(many=True, help_text="What it has mounted, since its host said so.")
    networks_gone = GoneNetworkSchema(
        many=True, help_text="Removed while it was on them: it doesn't start before it has left them."
    )
    command = serializers.ListField(child=serializers.CharField(allow_blank=True))
    entrypoint = serializers.ListField(child=serializers.CharField(allow_blank=True), allow_null=True)
    user = serializers.CharField(allow_null=True)
    workdir = serializers.CharField(allow_null=True)
    hostname = serializers.CharField(allow_null=True)
    env = serializers.DictField(child=serializers.CharField(allow_blank=True))
    labels = serializers.DictField(child=serializers.CharField(allow_blank=True))
    memory_bytes = serializers.IntegerField(allow_null=True)
    cpus = serializers.FloatField(allow_null=True)
    pids_limit = serializers.IntegerField(allow_null=True)
    restart = serializers.ChoiceField(RESTART_POLICIES)
    restart_limit = serializers.IntegerField(allow_null=True)
    userns_problem = serializers.CharField(allow_null=True, help_text="Why its last run had no user ids of its own.")
    apparmor_profile = serializers.CharField(
        allow_null=True,
        help_text="What confined its last run; unconfined: nothing; null: its host's kernel has no AppArmor.",
    )
    health = HealthSchema(allow_null=True, help_text="null: it has no health check.")
    restart_count = serializers.IntegerField()
    created_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    url = serializers.CharField()


class ProgressItemSchema(serializers.Serializer):
    id = serializers.CharField()
    status = serializers.CharField()
    done_bytes = serializers.IntegerField()
    total_bytes = serializers.IntegerField()


class ProgressSchema(serializers.Serializer):
    phase = serializers.CharField(allow_blank=True)
    items = ProgressItemSchema(many=True)


class JobErrorSchema(serializers.Serializer):
    family = serializers.CharField()
    message = serializers.CharField()
    detail = serializers.DictField()


class JobSchema(serializers.Serializer):
    id = serializers.UUIDField()
    url = serializers.CharField()
    kind = serializers.CharField()
    subject = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(JobStatus.choices)
    progress = ProgressSchema()
    result = serializers.DictField()
    error = JobErrorSchema(allow_null=True)
    host = HostReference()
    team = TeamReference()
    requested_by = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    duration_seconds = serializers.FloatField(allow_null=True)
    cancel_requested = serializers.BooleanField()


class JobReference(serializers.Serializer):
    id = serializers.UUIDField()
    url = serializers.CharField()


class Accepted(serializers.Serializer):
    """Long work has begun: follow the job."""

    job = JobReference()


class PrunedSchema(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    job = JobReference(allow_null=True, help_text="null: it would go, but nothing was asked to be done.")


class PruneSchema(serializers.Serializer):
    containers = PrunedSchema(many=True)


class AcceptedContainer(Accepted):
    container = ContainerSchema()


class ActorSchema(serializers.Serializer):
    id = serializers.CharField(help_text="Of what it happened to: a container, an image; a network's name.")
    attributes = serializers.DictField(child=serializers.CharField(allow_blank=True), help_text="Labels among them.")


class EventSchema(serializers.Serializer):
    id = serializers.IntegerField(help_text="Rises; ?after= goes on from here.")
    type = serializers.ChoiceField(["container", "image", "network", "volume"])
    action = serializers.CharField(help_text="Docker's name of it, such as start, die or health_status: healthy.")
    actor = ActorSchema()
    container = serializers.CharField(allow_null=True, help_text="The container to whose life it belongs.")
    at = serializers.DateTimeField()
    host = HostReference()
    team = TeamReference()
    seq = serializers.IntegerField(help_text="The host's own number of it.")


class EventPageSchema(serializers.Serializer):
    next = serializers.CharField(allow_null=True)
    results = EventSchema(many=True)


class FiguresSchema(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    at = serializers.FloatField(help_text="Unix seconds.")
    cpu_percent = serializers.FloatField(help_text="Of one processor.")
    cpu_seconds = serializers.FloatField(required=False, help_text="Of all processors, since its start.")
    memory_bytes = serializers.IntegerField()
    memory_limit_bytes = serializers.IntegerField(allow_null=True)
    pids = serializers.IntegerField()
    network_rx_bytes = serializers.IntegerField()
    network_tx_bytes = serializers.IntegerField()
    block_read_bytes = serializers.IntegerField()
    block_write_bytes = serializers.IntegerField()
    interfaces = serializers.DictField(
        child=serializers.ListField(child=serializers.IntegerField()),
        required=False,
        help_text="Bytes received and sent by each, where there are several.",
    )


class AllFiguresSchema(serializers.Serializer):
    results = FiguresSchema(many=True)


class WaitSchema(serializers.Serializer):
    condition = serializers.ChoiceField(["not-running", "next-exit", "removed"])
    reached = serializers.BooleanField(help_text="false: the time was over first.")
    exit_code = serializers.IntegerField(allow_null=True, help_text="null: it has not run.")
    error = serializers.CharField(allow_null=True)


class LogChunkSchema(serializers.Serializer):
    stream = serializers.ChoiceField(["stdout", "stderr"])
    at = serializers.FloatField(help_text="Unix seconds.")
    text = serializers.CharField(allow_blank=True)


class LogSchema(serializers.Serializer):
    cursor = serializers.IntegerField(help_text="Where the next reading goes on, as ?cursor=.")
    chunks = LogChunkSchema(many=True)


class RemovedContainerSchema(serializers.Serializer):
    id = serializers.CharField()
    short_id = serializers.CharField()
    name = serializers.CharField()
    image = serializers.CharField()
    host = HostReference()
    team = TeamReference()
    exit_code = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    removed_at = serializers.DateTimeField()
    log_kept_until = serializers.DateTimeField(help_text="At the latest; the host's room may end it before.")

    class Meta:
        ref_name = "RemovedContainer"


class ContainerReference(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()


class RecordingSchema(serializers.Serializer):
    id = serializers.UUIDField()
    team = TeamReference()
    user = serializers.CharField()
    source = serializers.CharField(help_text="exec or attach.")
    command = serializers.CharField(allow_blank=True)
    container = ContainerReference()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)
    exit_code = serializers.IntegerField(allow_null=True)
    size_bytes = serializers.IntegerField()
    url = serializers.CharField()
    cast_url = serializers.CharField(help_text="The recording itself, as asciicast v2.")

    class Meta:
        ref_name = "Recording"


class ProcessSchema(serializers.Serializer):
    pid = serializers.IntegerField(help_text="As the container numbers it.")
    host_pid = serializers.IntegerField(help_text="As its host numbers it.")
    parent = serializers.IntegerField(help_text="0: none in the container.")
    host_parent = serializers.IntegerField(required=False, help_text="As its host numbers it, also outside.")
    user = serializers.CharField(help_text="A name of the container's own, or a number.")
    cpu_percent = serializers.FloatField(help_text="Of one processor, since it was asked last, or since its start.")
    cpu_seconds = serializers.FloatField()
    memory_bytes = serializers.IntegerField()
    virtual_bytes = serializers.IntegerField(required=False, help_text="Its address space.")
    threads = serializers.IntegerField()
    state = serializers.CharField()
    started_at = serializers.FloatField(help_text="Unix seconds.")
    command = serializers.CharField(help_text="Characters that can't be printed are escaped.")


class TopSchema(serializers.Serializer):
    at = serializers.FloatField(help_text="Unix seconds.")
    processes = ProcessSchema(many=True)


class ChangeSchema(serializers.Serializer):
    path = serializers.CharField(help_text="From the container's root; bytes that are no text are escaped.")
    change = serializers.ChoiceField(["added", "changed", "deleted"])
    type = serializers.ChoiceField(["file", "directory", "link", "pipe", "socket", "device"])
    size_bytes = serializers.IntegerField(allow_null=True, help_text="Of a file that is there.")


class ChangesSchema(serializers.Serializer):
    changes = ChangeSchema(many=True)
    more = serializers.BooleanField(help_text="There are more than are told here.")


class ArchiveTakenSchema(serializers.Serializer):
    entries = serializers.IntegerField(help_text="Members of the tar.")
    bytes = serializers.IntegerField(help_text="Of its files' data.")


class Problem(serializers.Serializer):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    family = serializers.CharField()
    errors = serializers.DictField(child=serializers.ListField(child=serializers.CharField()), required=False)
