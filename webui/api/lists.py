"""Lists: pages, search, order and filters, the same for every resource.

    ?page=1&page_size=100  ?search=web  ?ordering=-created_at  and the resource's own filters
    ?cursor= instead of ?page=: from entry to entry, by `next`, however long the list is and whatever changes meanwhile

An unknown value of a known parameter is an error with the parameter's name, and so is an unknown parameter
(`webui.api.operations`): a script that means to act on a part would act on everything.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.paginator import EmptyPage, Paginator
from django.db.models import Model, Q, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from webui.parameters import unix_seconds

M = TypeVar("M", bound=Model)

PAGE_SIZE, PAGE_SIZE_MAXIMUM, PAGE_MAXIMUM = 100, 1000, 1_000_000
WHOLE_MAXIMUM = 2**53
"""The greatest where nothing else sets a limit."""


def list_parameters(
    *, ordering: Iterable[str], search: str | None = None, filters: Mapping[str, str] | None = None, **choices: Any
) -> list[OpenApiParameter]:
    """What a list's OpenAPI entry says: `filters` are names and meanings, `choices` their possible values."""
    orders = [sign + name for name in ordering for sign in ("", "-")]
    parameters = [
        whole_parameter("page", "Which page, from 1.", 1, PAGE_MAXIMUM),
        whole_parameter("page_size", f"Entries a page; {PAGE_SIZE} if left out.", 1, PAGE_SIZE_MAXIMUM),
        OpenApiParameter("ordering", str, enum=orders, description="Order; - for descending."),
        OpenApiParameter(
            "cursor", str, description="Instead of page: empty for the first part, then as `next` has it."
        ),
    ]
    if search:
        parameters.append(OpenApiParameter("search", str, description=search))
    for name, meaning in (filters or {}).items():
        parameters.append(OpenApiParameter(name, str, description=meaning, enum=choices.get(name)))
    return parameters


def whole_parameter(name: str, meaning: str, least: int, greatest: int) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": "integer", "minimum": least, "maximum": greatest}, description=meaning)


def moment_parameter(name: str, meaning: str, *, required: bool = False) -> OpenApiParameter:
    """A parameter that `moment_read` reads."""
    return OpenApiParameter(name, str, required=required, description=f"Unix seconds or RFC 3339: {meaning}")


def list_response(
    request: Request,
    rows: QuerySet[M],
    as_json: Callable[[Any], dict[str, Any]],
    *,
    ordering: Iterable[str],
    read: Callable[[QuerySet[M]], Sequence[Any]] | None = None,
) -> Response:
    """One page of `rows` as `{"count", "next", "previous", "results"}`.

    What rows refer to is fetched once for the page: a join would build the same host and team anew for each row.
    `read` reads a page in its own way, as objects for `as_json` that have `pk` and what lists are ordered by.
    """
    joined = rows.query.select_related
    if isinstance(joined, dict) and read is None:
        rows = rows.select_related(None).prefetch_related(*joined)
    order = _order(request, ordering)
    rows = rows.order_by(*order)
    size = page_size(request)
    if "cursor" in request.query_params:
        return _from_cursor(request, rows, as_json, order[0], size=size, read=read or list)
    number = _number(request, "page", 1, PAGE_MAXIMUM)
    paginator = Paginator(rows, size)
    try:
        page = paginator.page(number)
    except EmptyPage as error:
        raise NotFound(f"There is no page {number}: the last one is {paginator.num_pages}.") from error
    return Response(
        {
            "count": paginator.count,
            "next": _link(request, number + 1) if page.has_next() else None,
            "previous": _link(request, number - 1) if page.has_previous() else None,
            "results": [as_json(row) for row in (read or list)(page.object_list)],  # type: ignore[arg-type]
        }
    )


def _from_cursor(
    request: Request,
    rows: QuerySet[M],
    as_json: Callable[[Any], dict[str, Any]],
    order: str,
    *,
    size: int,
    read: Callable[[QuerySet[M]], Sequence[Any]],
) -> Response:
    """The part that follows the cursor's entry. Nothing is counted, and nothing passed over has to be read."""
    name = order.removeprefix("-")
    is_annotation = name in rows.query.annotations
    field = rows.query.annotations[name].output_field if is_annotation else rows.model._meta.get_field(name)
    if field.null:
        raise ValidationError(
            {"cursor": [f"A cursor can't follow {name}, which some have not: order by another field."]}
        )
    text = request.query_params["cursor"]
    if text:
        value, pk = cursor_read(text, order)
        beyond = "lt" if order.startswith("-") else "gt"
        try:
            value = _as_kept(field, value)
            rows = rows.filter(Q(**{f"{name}__{beyond}": value}) | Q(**{name: value, "pk__gt": pk}))
        except (ValueError, TypeError, OverflowError, DjangoValidationError) as error:
            raise ValidationError({"cursor": [_NO_CURSOR]}) from error
    found = read(rows[: size + 1])
    following = None
    if len(found) > size:
        query = request.query_params.copy()
        query["cursor"] = cursor_write(order, getattr(found[size - 1], name), found[size - 1].pk)
        following = f"{request.path}?{query.urlencode()}"
    return Response(
        {"count": None, "next": following, "previous": None, "results": [as_json(row) for row in found[:size]]}
    )


def _as_kept(field: Any, value: Any) -> Any:
    """A cursor's value as the field has it; a time in UTC, since the database would fail at one beyond its calendar."""
    found = field.to_python(value)
    return found.astimezone(UTC) if isinstance(found, datetime) else found


_NO_CURSOR = "This is no cursor of this list and order: begin with an empty one, and take the next from `next`."


def cursor_write(order: str, value: Any, pk: Any) -> str:
    """The place after an entry, as text for an address."""
    place = [order, value.isoformat() if hasattr(value, "isoformat") else value, pk if isinstance(pk, int) else str(pk)]
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def cursor_read(text: str, order: str) -> tuple[str | int, str | int]:
    """The value and the key of the entry before. Raises ValidationError for what `cursor_write` has not made."""
    try:
        place = json.loads(base64.urlsafe_b64decode(text[:2000] + "=" * (-len(text) % 4)))
        made_for, value, pk = place
    except (ValueError, TypeError, RecursionError) as error:
        raise ValidationError({"cursor": [_NO_CURSOR]}) from error
    is_plain = all(isinstance(part, str | int) and not isinstance(part, bool) for part in (value, pk))
    if made_for != order or not is_plain or "\0" in f"{value}{pk}":
        raise ValidationError({"cursor": [_NO_CURSOR]})
    return value, pk


def page_size(request: Request) -> int:
    """How many entries a page shall have. Raises ValidationError."""
    return _number(request, "page_size", PAGE_SIZE, PAGE_SIZE_MAXIMUM)


def parameter(request: Request, name: str, choices: Iterable[str] | None = None) -> str | None:
    """A query parameter's text, None if it is missing or empty. Raises ValidationError with its name."""
    text = request.query_params.get(name)
    if not text:
        return None
    if "\0" in text or len(text) > 512:  # PostgreSQL takes no NUL
        raise ValidationError({name: ["Give at most 512 characters, and no NUL."]})
    if choices is not None and text not in choices:
        raise ValidationError({name: [f"Choose one of {', '.join(choices)}."]})
    return text


def number_parameter(request: Request, name: str, *, minimum: float, maximum: float) -> float | None:
    """A query parameter's number, None if it is missing. Raises ValidationError with its name."""
    text = parameter(request, name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not minimum <= number <= maximum:
        raise ValidationError({name: [f"Give a number from {minimum:.15g} to {maximum:.15g}."]})
    return number


def whole_read(request: Request, name: str, least: int, greatest: int = WHOLE_MAXIMUM) -> int | None:
    """A query parameter's whole number, None if it is missing. Raises ValidationError with its name."""
    text = parameter(request, name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 17 and least <= int(text) <= greatest):
        limits = f"{least} up" if greatest >= WHOLE_MAXIMUM else f"{least} to {greatest}"
        raise ValidationError({name: [f"Give a whole number from {limits}."]})
    return int(text)


def moment_read(request: Request, name: str) -> float | None:
    """A query parameter's moment, as Unix seconds; None if it is missing. Raises InvalidArgument with its name."""
    return unix_seconds(name, {name: request.query_params.getlist(name)})


def host_filter(request: Request) -> Q:
    """`?host=` is a name or an id."""
    text = parameter(request, "host")
    return Q(host__name=text) | Q(host_id=text) if text else Q()


def _order(request: Request, allowed: Iterable[str]) -> list[str]:
    allowed = list(allowed)
    text = parameter(request, "ordering", [sign + name for name in allowed for sign in ("", "-")])
    return [text or f"-{allowed[0]}", "pk"]


def _number(request: Request, name: str, default: int, maximum: int) -> int:
    return whole_read(request, name, 1, maximum) or default


def _link(request: Request, page: int) -> str:
    query = request.query_params.copy()
    query["page"] = str(page)
    return f"{request.path}?{query.urlencode()}"
