"""Whatever fits the OpenAPI document, and whatever does not: never a 500, and only answers that it describes."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from webui.api.views.docs import document
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image, RegistryCredential
from webui.jobs.models import Job
from webui.links import stream
from webui.networks.models import Network

pytestmark = pytest.mark.django_db(transaction=True)


def unforeseen(context: Any, response: Any, case: Any) -> None:
    """A host that does not answer is a 503, and foreseen; a 500 never is."""
    assert response.status_code != 500


schemathesis.serializer.alias("application/x-tar", "application/octet-stream")

CHECKS = [unforeseen, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 6
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in document()["paths"].items()
    for method in methods
    if method in ("get", "post", "put", "patch", "delete")
]


@pytest.fixture
def known(
    site_broker: Valkey,
    container: Container,
    image: Image,
    network: Network,
    job: Job,
    credential: RegistryCredential,
    host: Host,
) -> dict[str, Any]:
    """Objects that are there, for paths: a made-up id leads no further than to a 404."""
    return {
        "container_id": container.pk,
        "image_id": image.pk,
        "network_id": network.pk,
        "job_id": str(job.pk),
        "credential_id": str(credential.pk),
        "host_id": host.pk,
    }


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_request_breaks_the_site_or_its_promises(
    owner: Caller, known: dict[str, Any], label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(stream, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(stream, "_BLOCK_MILLISECONDS", 1)
    schema = _schema()
    method, path = label.split(" ")
    operation = schema[path][method]
    modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode if _can(operation, mode)]

    @seed(len(label))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(*modes), is_known=st.booleans())
    def call(case: schemathesis.Case, is_known: bool) -> None:
        for name in case.path_parameters if is_known else ():
            case.path_parameters[name] = known.get(name, case.path_parameters[name])
        case.call_and_validate(headers=owner.headers, checks=CHECKS)

    call()


@cache
def _schema() -> Any:
    """Reading it, and the site's code for values that may be meant by it, takes longer than to call an operation."""
    return schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", WSGIHandler())


def _can(operation: Any, mode: GenerationMode) -> bool:
    """An operation without parameters or body can't be called wrongly."""
    return mode == GenerationMode.POSITIVE or bool(list(operation.iter_parameters()) or operation.body)
