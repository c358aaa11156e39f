"""The broker's names. Streams hold one field, `m`, with a JSON object (frames: raw bytes)."""

from __future__ import annotations

TASK_NAME = "portside.execute"
"""The one Celery task: keyword arguments `job_id`, `command` (wire), `fence`, `secrets` (dict or None)."""

EVENTS = "portside:events"
"""Stream, all hosts to the site's inbox: contract events."""
EVENTS_MAXLEN = 100_000

INBOX_ALIVE = "portside:inbox"
"""Key: there while the site's inbox works (it expires within seconds of its last sign of life)."""

CHANGES = "portside:changes"
"""Stream, inbox and services to every web process: what browsers are told (`webui.streams`)."""
CHANGES_MAXLEN = 20_000

ACTIVITY = "portside:activity"
"""Stream, inbox to every web process: `{"teams": [...], "containers": [...]}`, whose new events the database has."""
ACTIVITY_MAXLEN = 1_000


def queue(host_id: str) -> str:
    """Celery queue of one host."""
    return f"host.{host_id}"


def control(host_id: str) -> str:
    """Stream, site to one worker: `{"kind": …}` of `frames.CONTROL_KINDS`."""
    return f"portside:control:{host_id}"


def acknowledged(host_id: str) -> str:
    """Key: the last event number of a host that the site has applied."""
    return f"portside:acknowledged:{host_id}"


def serving(host_id: str) -> str:
    """Key: the place of the worker that serves a host, and what the host is called there; it expires soon."""
    return f"portside:serving:{host_id}"


def frames(stream_id: str) -> str:
    """Stream, host to consumer: encoded frames."""
    return f"portside:frames:{stream_id}"


def session_input(session_id: str) -> str:
    """Stream, site to host: encoded frames of one session (`sessions`)."""
    return f"portside:input:{session_id}"


def session_owner(session_id: str) -> str:
    """Key: who may join the session again; it expires with it."""
    return f"portside:session:{session_id}"


def stats(host_id: str) -> str:
    """Stream, one entry per host and tick: `{"at", "host": {...}, "containers": {id: {...}}}`."""
    return f"portside:stats:{host_id}"


STATS_MAXLEN = 900


def cancelled(job_id: str) -> str:
    """Key, set with the cancel message, for a worker that was away when it came."""
    return f"portside:cancelled:{job_id}"
