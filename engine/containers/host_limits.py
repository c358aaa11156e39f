"""What all containers and builds of this host may have together: said once, kept, and held under what runs."""

from __future__ import annotations

import logging
import threading

from engine.cgroups.quota import HostLimits, Quota
from engine.cgroups.resources import Resources
from engine.cgroups.v1 import cpu as v1_cpu
from engine.containers import limits, states
from engine.containers.catalog import Busy, Catalog
from engine.errors import EngineError, NotFound

log = logging.getLogger(__name__)


class HostQuota:
    """Safe for threads. `Cgroups` sees to it that a group which comes anew is limited before anything runs in it."""

    def __init__(self, quota: Quota, catalog: Catalog) -> None:
        self._quota, self._catalog = quota, catalog
        self._lock = threading.Lock()
        self._is_behind = True
        """Containers may have less processor time of their own than they may by now: version 1's rule."""

    @property
    def limits(self) -> HostLimits:
        """What was said last; no limits if nobody has."""
        return self._quota.limits or HostLimits()

    def set(self, wanted: HostLimits) -> None:
        """From now on, under what runs too, and after a boot; None lifts one.

        Raises InvalidArgument for what can't be, and Conflict for less memory than is used just now, which the kernel
        finds no way to: it is kept all the same, all else holds, nobody gets more memory than there is, and `tend`
        tries again.
        """
        with self._lock:
            self._quota.keep(wanted)
        self.tend()

    def tend(self) -> None:
        """To be called now and then: what the kernel has otherwise is written again. Raises as `set`."""
        with self._lock:
            applied = self._quota.apply()
            if self._is_behind or "cpus" in applied.wrote:
                self._is_behind = self._quota.has_rule and not self._raise_again()
        if applied.errors:
            raise applied.errors[0]

    def recover(self) -> list[str]:
        """At a start. What is the matter, a line each."""
        try:
            self.tend()
        except EngineError as error:
            return [f"the host's limits: {error.message}"]
        return []

    def _raise_again(self) -> bool:
        """Give containers their own processor time again, as far as the host's goes. False if one was busy."""
        done = True
        for record in self._catalog.list():
            if record.status not in states.ALIVE or (record.spec.cpus is None and record.spec.cpu_quota is None):
                continue
            try:
                with self._catalog.locked(record.id, wait=False):
                    wanted = limits.resources(self._catalog.get(record.id).spec)
                    v1_cpu.limit(self._quota.groups["cpu"] / record.id, *_time(wanted))
            except NotFound:
                continue
            except Busy:
                done = False
            except EngineError as error:
                log.warning("processor time of container %s: %s", record.id[:12], error.message)
        return done


def _time(resources: Resources) -> tuple[int | None, int | None]:
    if resources.cpus is not None:
        return round(resources.cpus * v1_cpu.PERIOD_MICROSECONDS), v1_cpu.PERIOD_MICROSECONDS
    return resources.cpu_quota, resources.cpu_period
