"""Every part is killed at random, singly and together: no byte, no exit code, no wish is lost, nothing runs twice.

PORTSIDE_FAULT_ROUNDS says how many rounds (3), PORTSIDE_FAULT_SEED repeats one run's dice. Hundreds of rounds are for
a machine that has nothing else to do: `docs/faults.md` has the last ones.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.faults.battering import NETWORK, Battering
from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

ROUNDS = int(os.environ.get("PORTSIDE_FAULT_ROUNDS", "3"))
MANY = 20


@pytest.mark.timeout(300 + 60 * ROUNDS)
def test_nothing_is_lost_whatever_dies(mortal: Portside, tiny_image: str) -> None:
    seed = int(os.environ.get("PORTSIDE_FAULT_SEED") or random.randrange(1 << 30))
    print(f"seed {seed}")
    mortal.rest.pull(tiny_image)
    mortal.rest.succeed(mortal.rest.post("/api/v1/networks/", {"name": NETWORK}))
    battering = Battering(mortal, tiny_image, seed, loud=ROUNDS >= MANY)
    for number in range(ROUNDS):
        battering.round()
        print(
            f"round {number + 1}: {battering.kills} kills {battering.killed}, {battering.reckoned} reckoned", flush=True
        )
    battering.reckon()
    print(f"{battering.kills} kills, {battering.reckoned} containers, each with every byte and its own code")
    eventually(lambda: not battering.jobs_that_hang(), seconds=120, what="the end of every job")
    (network,) = [row for row in mortal.rest.rows("/api/v1/networks/") if row["name"] == NETWORK]
    mortal.rest.succeed(mortal.rest.delete(f"/api/v1/networks/{network['id']}/"))
