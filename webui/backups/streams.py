"""A volume's files as a tar stream, out of its host and into it: who may."""

from __future__ import annotations

from dataclasses import asdict

from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.audit.recording import entry_record
from webui.hosts.models import Host
from webui.links.stream import host_silent
from webui.links.transfer import ArchiveWish
from webui.volumes.copies import refuse_running
from webui.volumes.models import Volume
from worker.contract import sessions


def volume_read(*, user: User, volume: Volume) -> ArchiveWish:
    """All its files. Raises PermissionDenied, Unavailable."""
    require_on(user, "volumes.read", volume)
    host = _online(volume.host)
    _audit(user, volume, "volume.read")
    return ArchiveWish(host, volume.name, sessions.VOLUME_OUT, {})


def volume_write(*, user: User, volume: Volume, stop: bool = False) -> ArchiveWish:
    """Put others in their place. Raises as above, and Conflict while a container runs with it, unless `stop`."""
    require_on(user, "backups.restore", volume)
    if not stop:
        refuse_running(volume)
    host = _online(volume.host)
    _audit(user, volume, "volume.write")
    parameters = asdict(sessions.VolumeInParameters(stop=stop))
    return ArchiveWish(host, volume.name, sessions.VOLUME_IN, parameters)


def _audit(user: User, volume: Volume, action: str) -> None:
    named = {"object_id": volume.pk, "object_name": volume.name, "after": {"path": "/"}}
    entry_record(action=action, user=user, team=volume.team, host=volume.host, **named)


def _online(host: Host) -> Host:
    if not host.is_online:
        raise host_silent(host)
    return host
