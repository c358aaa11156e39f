"""What Django REST framework has to say, in our words: what is wrong, and what to do."""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions, serializers

_LISTS = {
    "not_a_list": "Give a list.",
    "empty": "Give a list with something in it.",
    "min_length": "Give a longer list: it has to hold {min_length} or more.",
    "max_length": "Give a shorter list: it may hold {max_length} at most.",
}
_NUMBERS = {
    "min_value": "Give {min_value} at least.",
    "max_value": "Give {max_value} at most.",
    "max_string_length": "Give a smaller number.",
}
_FIELDS: dict[type[serializers.Field[Any, Any, Any, Any]], dict[str, str]] = {
    serializers.Field: {
        "required": "This is missing: give a value.",
        "null": "This can't be null: give a value.",
    },
    serializers.CharField: {
        "invalid": "Give a string.",
        "blank": "This can't be empty: give some text.",
        "min_length": "Give a longer text: it has to have {min_length} characters or more.",
        "max_length": "Give a shorter text: it may have {max_length} characters at most.",
    },
    serializers.ChoiceField: {"invalid_choice": "{input!r} is none of the choices: see /api/v1/docs/."},
    serializers.ListField: _LISTS,
    serializers.ListSerializer: _LISTS,
    serializers.DictField: {"not_a_dict": "Give a JSON object.", "empty": "Give an object with something in it."},
    serializers.Serializer: {"invalid": "Give a JSON object."},
    serializers.DateTimeField: dict.fromkeys(
        ("invalid", "date", "make_aware", "overflow"), "Give a time such as 2026-01-31T12:00:00Z."
    ),
    serializers.UUIDField: {"invalid": "Give an id such as 8a1d3b1e-0000-4000-8000-000000000001."},
    serializers.IntegerField: {**_NUMBERS, "invalid": "Give a whole number."},
    serializers.FloatField: {**_NUMBERS, "invalid": "Give a number.", "overflow": "Give a smaller number."},
    serializers.BooleanField: {"invalid": "Give true or false."},
    serializers.JSONField: {"invalid": "Give JSON."},
}


def fields_worded() -> None:
    """Have DRF's fields speak so. Those that are made afterwards do: a field collects its sentences when it is made."""
    for kind, messages in _FIELDS.items():
        kind.default_error_messages = {**kind.__dict__.get("default_error_messages", {}), **messages}


def refusal_worded(error: exceptions.APIException, context: dict[str, Any]) -> str:
    """The sentence for an error that is not about fields; `context` as DRF's handler of exceptions has it."""
    view, request = context.get("view"), context["request"]
    if isinstance(error, exceptions.NotAuthenticated):
        return "Say who you are: send Authorization: Bearer TOKEN, with a token from /settings/tokens/."
    if isinstance(error, exceptions.MethodNotAllowed) and view is not None:
        taken = ", ".join(method for method in view.allowed_methods if method != "OPTIONS")
        return f"{request.method} is not for this address: it takes {taken}."
    if isinstance(error, exceptions.UnsupportedMediaType) and view is not None:
        kinds = " or ".join(parser.media_type for parser in view.get_parsers())
        return f"A body of this kind is not taken here: send {kinds}, and say so in Content-Type."
    if isinstance(error, exceptions.NotAcceptable) and view is not None:
        kinds = " or ".join(dict.fromkeys(renderer.media_type for renderer in view.get_renderers()))
        return f"There is no answer of the kind that Accept asks for: ask for {kinds}, or leave it out."
    if isinstance(error, exceptions.Throttled) and error.wait is not None:
        return f"Those were too many requests: try again in {max(1, round(error.wait))} seconds."
    return str(error.detail)
