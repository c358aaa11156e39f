"""What is told of execs."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

_ID = "5e" * 32
_ENCODING = "utf-8, or base64 of what is no UTF-8."
_CUT = "There was more than a MiB: the rest was dropped."


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "It has ended",
            value={
                "exit_code": 0,
                "timed_out": False,
                "stdout": "Linux\n",
                "stdout_encoding": "utf-8",
                "stdout_truncated": False,
                "stderr": "",
                "stderr_encoding": "utf-8",
                "stderr_truncated": False,
            },
        )
    ]
)
class ExecEndedSchema(serializers.Serializer):
    exit_code = serializers.IntegerField(allow_null=True, help_text="null if it was killed since its time was over.")
    timed_out = serializers.BooleanField()
    stdout = serializers.CharField()
    stdout_encoding = serializers.ChoiceField(["utf-8", "base64"], help_text=_ENCODING)
    stdout_truncated = serializers.BooleanField(help_text=_CUT)
    stderr = serializers.CharField()
    stderr_encoding = serializers.ChoiceField(["utf-8", "base64"], help_text=_ENCODING)
    stderr_truncated = serializers.BooleanField(help_text=_CUT)


class ExecReference(serializers.Serializer):
    id = serializers.CharField()
    url = serializers.CharField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "It goes on",
            value={"exec": {"id": _ID, "url": f"/api/v1/containers/{'c0' * 32}/execs/{_ID}/"}},
        )
    ]
)
class ExecAccepted(serializers.Serializer):
    exec = ExecReference()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "It runs",
            value={
                "id": _ID,
                "command": "nightly --all",
                "started_at": "2026-11-26T18:00:00Z",
                "running": True,
                "exit_code": None,
                "ended_at": None,
                "host_pid": 4711,
            },
        )
    ]
)
class ExecSchema(serializers.Serializer):
    id = serializers.CharField()
    command = serializers.CharField(help_text="Its words, joined by blanks, as its event has them.")
    started_at = serializers.DateTimeField()
    running = serializers.BooleanField()
    exit_code = serializers.IntegerField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    host_pid = serializers.IntegerField(allow_null=True, help_text="null also where its host does not answer.")


class ExecsSchema(serializers.Serializer):
    execs = ExecSchema(many=True)
