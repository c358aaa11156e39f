"""A task as Celery puts it into a queue of its Redis transport.

Celery's own producer takes longer to write a task than the broker and the worker take to hand it on: it routes, looks
for signals and declares a queue each time. What it writes in the end is a JSON object in a list of the queue's name
(Celery's message protocol 2, in kombu's envelope), which is the same here but for what nobody reads; the tests hold it
against Celery's.
"""

from __future__ import annotations

import json
import os
import platform
import uuid
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

_NOTHING_FOLLOWS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def message(*, task: str, task_id: str, queue: str, arguments: Mapping[str, Any]) -> str:
    """What is to be pushed to the left of the list `queue`, so that a worker there calls `task` with `arguments`.

    Celery would copy the arguments' repr into the message's headers, from where logs take it: with secrets
    among them, the reprs are blank.
    """
    body = json.dumps([[], arguments, _NOTHING_FOLLOWS]).encode()
    headers = {
        "lang": "py",
        "task": task,
        "id": task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": task_id,
        "parent_id": None,
        "argsrepr": "",
        "kwargsrepr": "",
        "origin": f"gen{os.getpid()}@{platform.node()}",
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
    properties = {
        "correlation_id": task_id,
        "reply_to": "",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid.uuid4()),
    }
    return json.dumps(
        {
            "body": b64encode(body).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers,
            "properties": properties,
        }
    )
