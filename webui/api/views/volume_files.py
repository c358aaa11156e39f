"""Files of a volume: list, read, write, make directories, move, remove, own."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote_from_bytes

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.file_answers import UNKNOWN, changed_answer, etag_in, file_answer, part_of, removal_answer
from webui.api.file_schemas import FileSchema, FilesSchema
from webui.api.lists import parameter, whole_parameter, whole_read
from webui.api.operations import operation
from webui.api.streamed import TAR, intake, tar_answer
from webui.api.views.archives import YES, AnyAnswer
from webui.api.views.volumes import visible
from webui.volumes import files
from webui.volumes.file_words import entry_as_json, raw, readable
from webui.volumes.models import Volume
from worker.contract.files import PAGE_MAXIMUM, SORTS

LIMIT = 500
OFFSET_MAXIMUM = 1_000_000
PATH = OpenApiParameter(
    "path", str, description="From the volume's top, which is meant if it is left out. Any bytes, percent-encoded."
)
_NO_STORE = {"Cache-Control": "no-store"}


class NewDirectory(bodies.Body):
    parents = bodies.Flag(required=False, help_text="Make those on the way too; it is no error if it is there.")


class Move(bodies.Body):
    name = bodies.Text(required=False, help_text="The new name, in the same directory.")
    to = bodies.Text(required=False, help_text="Or the new path.")
    overwrite = bodies.Flag(required=False, help_text="What has that name now is lost.")


class Own(bodies.Body):
    mode = bodies.Text(required=False, max_length=4, help_text="Octal digits, such as 0644.")
    uid = bodies.Whole((0, 65535), required=False, help_text="As containers see it.")
    gid = bodies.Whole((0, 65535), required=False)
    recursive = bodies.Flag(
        required=False,
        help_text="uid and gid of all that is in a directory, too; no link is followed, mode is its own.",
    )


class VolumeFiles(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "volumes_files_list",
        tag="volumes",
        answers={200: FilesSchema},
        problems=[400, 403, 404, 503],
        parameters=[
            PATH,
            OpenApiParameter("sort", str, enum=SORTS, description="name if left out; directories come first."),
            OpenApiParameter("order", str, enum=("asc", "desc")),
            whole_parameter("offset", "How many to pass over.", 0, OFFSET_MAXIMUM),
            whole_parameter("limit", f"{LIMIT} if left out.", 1, PAGE_MAXIMUM),
        ],
    )
    def get(self, request: Request, volume_id: int) -> Response:
        """What is at a path, and if it is a directory, what is in it: a part of it at a time."""
        volume, path = find(request, volume_id), path_of(request)
        offset = whole_read(request, "offset", 0, OFFSET_MAXIMUM) or 0
        limit = whole_read(request, "limit", 1, PAGE_MAXIMUM) or LIMIT
        found = files.files_list(
            user=request.user,
            volume=volume,
            path=path,
            sort=parameter(request, "sort", SORTS) or "name",
            is_descending=parameter(request, "order", ("asc", "desc")) == "desc",
            offset=offset,
            limit=limit,
        )
        entries = found["entries"]
        following = offset + limit
        return Response(
            {
                "entry": entry_as_json(volume, found["entry"], path),
                "entries": None
                if entries is None
                else [entry_as_json(volume, one, f"{path}/{one['name']}") for one in entries],
                "offset": offset,
                "total": found["total"],
                "more": found["is_cut"],
                "next": _next(request, path, following) if following < found["total"] else None,
            },
            headers=_NO_STORE,
        )

    @operation(
        "volumes_files_own",
        tag="volumes",
        body=Own,
        answers={200: FileSchema},
        problems=[400, 403, 404, 409, 503],
        parameters=[PATH],
    )
    def patch(self, request: Request, volume_id: int) -> HttpResponse:
        """Give a file another owner, group or mode, or a directory with all that is in it another owner and group."""
        volume, path = find(request, volume_id), path_of(request)
        wish: dict[str, Any] = bodies.read(Own, request)
        if "mode" in wish:
            wish["mode"] = _octal(wish["mode"])
        if wish.pop("recursive", False):
            owning = files.files_own(user=request.user, volume=volume, path=path, **wish)
            return changed_answer(owning, lambda result: entry_as_json(volume, result["entry"], path))
        found = files.file_own(user=request.user, volume=volume, path=path, **wish)
        return Response(entry_as_json(volume, found, path))

    @operation(
        "volumes_files_remove",
        tag="volumes",
        answers={204: None},
        problems=[400, 403, 404, 409, 503],
        parameters=[PATH, OpenApiParameter("recursive", bool, description="A directory with all that is in it.")],
    )
    def delete(self, request: Request, volume_id: int) -> HttpResponse:
        """Remove a file, or a directory; the answer comes when all of it is gone."""
        wish = files.file_remove(
            user=request.user,
            volume=find(request, volume_id),
            path=path_of(request),
            recursive=request.query_params.get("recursive") in YES,
        )
        return removal_answer(wish)


class VolumeFileContent(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "volumes_files_read",
        tag="volumes",
        answers={(200, UNKNOWN): OpenApiTypes.BINARY, (206, UNKNOWN): OpenApiTypes.BINARY},
        problems=[400, 403, 404, 503],
        parameters=[PATH, OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="One range of bytes.")],
    )
    def get(self, request: Request, volume_id: int) -> HttpResponse:
        """Read a file, or a part of it (Range, If-Range); always an attachment, which no browser takes for a page."""
        return file_answer(self._wish(request, volume_id), request.headers)

    def head(self, request: Request, volume_id: int) -> HttpResponse:
        """The same without the content."""
        return file_answer(self._wish(request, volume_id), request.headers, is_head=True)

    @operation(
        "volumes_files_write",
        tag="volumes",
        body={UNKNOWN: OpenApiTypes.BINARY},
        answers={200: FileSchema},
        problems=[400, 403, 404, 409, 412, 503],
        parameters=[
            PATH,
            OpenApiParameter("If-Match", str, OpenApiParameter.HEADER, description="Only if its etag still is this."),
            OpenApiParameter(
                "If-None-Match", str, OpenApiParameter.HEADER, enum=["*"], description="*: only if nothing is there."
            ),
            OpenApiParameter("parents", bool, description="Make the directories on the way."),
        ],
    )
    def put(self, request: Request, volume_id: int) -> HttpResponse:
        """Write a whole file: it is there when all of it has come, or nothing has changed."""
        volume, path = find(request, volume_id), path_of(request)
        wish = files.file_write(
            user=request.user,
            volume=volume,
            path=path,
            etag=_condition(request),
            is_new=request.headers.get("If-None-Match", "").strip() == "*",
            parents=request.query_params.get("parents") in YES,
        )
        return intake(wish, lambda result: entry_as_json(volume, result["entry"], path))

    def _wish(self, request: Request, volume_id: int) -> Any:
        volume = find(request, volume_id)
        return files.file_read(
            user=request.user, volume=volume, path=path_of(request), part=part_of(dict(request.headers))
        )


class VolumeDirectoryArchive(APIView):
    content_negotiation_class = AnyAnswer

    @operation(
        "volumes_files_archive",
        tag="volumes",
        answers={(200, TAR): OpenApiTypes.BINARY},
        problems=[400, 403, 404, 503],
        parameters=[PATH],
    )
    def get(self, request: Request, volume_id: int) -> HttpResponse:
        """Read a directory with all that is below it as a tar, links as links."""
        volume, path = find(request, volume_id), path_of(request)
        wish = files.directory_pack(user=request.user, volume=volume, path=path)
        return tar_answer(wish, readable(path.rstrip("/").rpartition("/")[2]) or volume.name)


class VolumeDirectories(APIView):
    @operation(
        "volumes_files_make_directory",
        tag="volumes",
        body=NewDirectory,
        answers={201: FileSchema},
        problems=[400, 403, 404, 409, 503],
        parameters=[PATH],
    )
    def post(self, request: Request, volume_id: int) -> Response:
        """Make a directory; it belongs to the owner of the one that it is in."""
        volume, path = find(request, volume_id), path_of(request)
        wish: dict[str, Any] = bodies.read(NewDirectory, request)
        made = files.directory_make(user=request.user, volume=volume, path=path, **wish)
        return Response(entry_as_json(volume, made, path), status=201)


class VolumeFileMove(APIView):
    @operation(
        "volumes_files_move",
        tag="volumes",
        body=Move,
        answers={200: FileSchema},
        problems=[400, 403, 404, 409, 503],
        parameters=[PATH],
    )
    def post(self, request: Request, volume_id: int) -> Response:
        """Give something another name or place."""
        volume, path = find(request, volume_id), path_of(request)
        wish: dict[str, Any] = bodies.read(Move, request)
        name, to = wish.pop("name", None), wish.pop("to", None)
        if (name is None) == (to is None):
            raise ValidationError({"name": ["Give either the new name or, as to, the new path."]})
        if name is not None:
            if "/" in name or name in ("", ".", ".."):
                raise ValidationError({"name": ["A name has a character at least, and no slash; to takes a path."]})
            to = f"{path.rstrip('/').rpartition('/')[0]}/{name}"
        moved = files.file_move(user=request.user, volume=volume, path=path, to=to, **wish)
        return Response(entry_as_json(volume, moved, to))


def find(request: Request, volume_id: int) -> Volume:
    return get_object_or_404(visible(request), pk=volume_id)


def path_of(request: Request) -> str:
    """The parameter `path` with all its bytes, which Django would replace where they are no UTF-8."""
    query = request.META.get("QUERY_STRING", "").encode("latin-1").decode("utf-8", "surrogateescape")
    found = parse_qs(query, keep_blank_values=True, errors="surrogateescape").get("path")
    return found[-1] if found else "/"


def _condition(request: Request) -> str | None:
    header = request.headers.get("If-Match", "").strip()
    if not header:
        return None
    etag = etag_in(header)
    if etag is None:
        raise ValidationError({"If-Match": ['Give the etag of the file as it was read, in quotes: "…".']})
    return etag


def _octal(text: str) -> int:
    if not text or set(text) - set("01234567"):
        raise ValidationError({"mode": ["Give three or four octal digits, such as 644 or 0755."]})
    return int(text, 8)


def _next(request: Request, path: str, offset: int) -> str:
    query = request.query_params.copy()
    query.pop("path", None)
    query["offset"] = str(offset)
    return f"{request.path}?path={quote_from_bytes(raw(path), safe='/')}&{query.urlencode()}"
