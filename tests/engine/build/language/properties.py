"""How properties are tried here: the same examples each time, however slow the machine is."""

from hypothesis import HealthCheck, settings

ANY = settings(
    deadline=None, derandomize=True, database=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow]
)
