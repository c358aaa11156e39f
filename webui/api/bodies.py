"""Request bodies: a field that nobody knows is refused, since it is a typing error that would pass in silence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import copy
from functools import cache, cached_property
from typing import Any, TypeVar

from django.conf import settings
from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.utils.json import strict_constant

from webui.parameters import no_such

S = TypeVar("S", bound="Body")


class Json(JSONParser):
    """DRF's lets what is nested too deeply pass for a mistake of the site's, and of a key given twice one value."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        encoding = (parser_context or {}).get("encoding", settings.DEFAULT_CHARSET)
        try:
            text = stream.read().decode(encoding)
            return json.loads(text, parse_constant=strict_constant, object_pairs_hook=_once_each)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except (ValueError, LookupError) as error:
            raise ParseError(f"The body is not JSON ({error}): send a JSON object.") from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; which of two values of one key was meant nobody knows. Raises ValidationError with the key."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise serializers.ValidationError({name[:80]: ["This is given twice: leave one of them out."]})
        found[name] = value
    return found


class Body(serializers.Serializer[Any]):
    """Base of every request body; nested ones too."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [str(name) for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError({name[:80]: [self._unknown(name)] for name in unknown})
            # DRF goes through all fields, a container's hundred, for the few that are given.
            given = copy(self)
            given.fields = {
                name: field for name, field in self.fields.items() if name in data or name in self._missed_if_absent
            }
            return super(Body, given).to_internal_value(data)
        return super().to_internal_value(data)

    @cached_property
    def _missed_if_absent(self) -> frozenset[str]:
        """Fields of which something is to be said, or set, if they are not given."""
        return frozenset(
            name for name, field in self.fields.items() if field.required or field.default is not serializers.empty
        )

    def _unknown(self, name: str) -> str:
        refused = self.refusals(name)
        if refused is not None:
            return refused
        return no_such("field", name, self.fields)

    def refusals(self, name: str) -> str | None:
        """Why a field that people may well send isn't taken, if there is more to say than that there is none."""
        return None


class BodyShape(OpenApiSerializerExtension):
    """Tells the OpenAPI document that bodies take no other fields."""

    target_class = Body
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        shape = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**shape, "additionalProperties": False}


class EmptyBody(Body):
    """For actions that need no more than their address."""


def read(body: type[S], request: Request) -> dict[str, Any]:
    """The checked body of `request`. Raises DRF's ValidationError. A missing body counts as {}, for DRF too."""
    data = request.data
    if data is None:  # the JSON null, of which DRF has more to say than its fields have
        body(data=data).is_valid(raise_exception=True)
    return dict(_checker(body).run_validation(data))


@cache
def _checker(body: type[S]) -> S:
    """One object for all requests: DRF copies every field for each, which takes longer than to check them.

    To check changes none of it; nothing here looks at a serializer's context or its data.
    """
    return body()


class Choice(serializers.ChoiceField):
    """One of some words."""

    def to_internal_value(self, data: Any) -> Any:
        is_blank = data == "" and self.allow_blank
        if not is_blank and (not isinstance(data, str) or data not in self.choices):
            raise serializers.ValidationError(f"Choose one of {', '.join(map(str, self.choices))}.")
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A string as it is: DRF would take numbers and booleans for strings, and trim."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("trim_whitespace", False)
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Give a string.")
        if any("\ud800" <= character <= "\udfff" for character in data):
            raise serializers.ValidationError("Half of a surrogate pair is not a character: leave it out.")
        if "\0" in data:
            raise serializers.ValidationError("Leave out the character NUL.")
        return str(super().to_internal_value(data))


class Whole(serializers.IntegerField):
    """An integer; DRF would take "8080" and true for one.

    `between`, the least and the greatest, is for the OpenAPI document: the service checks it, together with all
    else, so that a person hears at once of everything that is wrong. What no column of a database holds does not
    get as far as that.
    """

    def __init__(self, between: tuple[int, int], **options: Any) -> None:
        super().__init__(**options)
        self.between = between
        set_override(self, "field", {"type": "integer", "minimum": between[0], "maximum": between[1]})

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            raise serializers.ValidationError("Give a whole number.")
        if not -(1 << 63) <= data < 1 << 63:
            raise serializers.ValidationError(f"Give a whole number from {self.between[0]} to {self.between[1]}.")
        return data


class Number(serializers.FloatField):
    """A finite number; DRF would take "0.5", true and NaN for one."""

    def to_internal_value(self, data: Any) -> float:
        if not isinstance(data, int | float) or isinstance(data, bool) or not abs(data) < 1e300:
            raise serializers.ValidationError("Give a number.")
        return float(data)


class Flag(serializers.BooleanField):
    """true or false; DRF would take "yes" and 1 for one."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("Give true or false.")
        return data


class Strings(serializers.DictField):
    """An object of strings. Keys pass as they are; their rules are the service's."""

    child = Text(allow_blank=True)


class Changes(serializers.DictField):
    """Strings by their names, some of which are to go: null."""

    child = Text(allow_blank=True, allow_null=True)
