"""Files of a container as tar streams, with the words of Docker's own API (`docker cp`, `docker export`)."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from webui.api.operations import operation
from webui.api.schemas import ArchiveTakenSchema
from webui.api.streamed import TAR, stat_answer, tar_answer, tar_intake
from webui.api.views.containers import find
from webui.containers import archives

YES = ("1", "true", "True")
_PATH = OpenApiParameter(
    "path", str, required=True, description="In the container. With `/` or `/.` at its end, what a link leads to."
)


class AnyAnswer(BaseContentNegotiation):
    """A tar is a tar, and a problem JSON, whatever the client says that it accepts."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class ContainerArchive(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "containers_archive_get",
        tag="containers",
        answers={(200, TAR): OpenApiTypes.BINARY},
        problems=[400, 403, 404, 409, 503],
        parameters=[_PATH],
    )
    def get(self, request: Request, container_id: str) -> HttpResponse:
        """Read a file or a directory of a container as a tar; `X-Docker-Container-Path-Stat` says what it is."""
        path = _path(request)
        wish = archives.copy_out(user=request.user, container=find(request, container_id), path=path)
        return tar_answer(wish, path.rstrip("/.").rpartition("/")[2] or "root")

    def head(self, request: Request, container_id: str) -> HttpResponse:
        """What is at a path: base64 of JSON in the header `X-Docker-Container-Path-Stat`."""
        container = find(request, container_id)
        return stat_answer(archives.path_stat(user=request.user, container=container, path=_path(request)))

    @operation(
        "containers_archive_put",
        tag="containers",
        body={TAR: OpenApiTypes.BINARY},
        answers={200: ArchiveTakenSchema},
        problems=[400, 403, 404, 409, 503],
        parameters=[
            _PATH,
            OpenApiParameter(
                "noOverwriteDirNonDir",
                bool,
                description="Refuse to put another thing in the place of a directory, or a directory in its place.",
            ),
            OpenApiParameter(
                "copyUIDGID", bool, description="All becomes the container's user's, instead of whom the tar names."
            ),
        ],
    )
    def put(self, request: Request, container_id: str) -> HttpResponse:
        """Unpack a tar (plain, gzip or zstd) into a directory of a container, which may be running."""
        wish = archives.copy_in(
            user=request.user,
            container=find(request, container_id),
            path=_path(request),
            keep_kinds=request.query_params.get("noOverwriteDirNonDir") in YES,
            as_user=request.query_params.get("copyUIDGID") in YES,
        )
        return tar_intake(wish)


class ContainerExport(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "containers_export",
        tag="containers",
        answers={(200, TAR): OpenApiTypes.BINARY},
        problems=[403, 404, 409, 503],
    )
    def get(self, request: Request, container_id: str) -> HttpResponse:
        """Read a container's whole root file system as a tar, without what is mounted into it."""
        container = find(request, container_id)
        return tar_answer(archives.export(user=request.user, container=container), container.name)


def _path(request: Request) -> str:
    """As it was written; the service checks it."""
    return str(request.query_params.get("path") or "")
