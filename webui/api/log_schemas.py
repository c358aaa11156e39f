"""The shapes of answers about parts of a log (views/log_parts.py)."""

from __future__ import annotations

from rest_framework import serializers


class LogPartSchema(serializers.Serializer):
    start = serializers.IntegerField(help_text="The cursor of the oldest byte; what was before is rotated away.")


class LogOutlineSchema(LogPartSchema):
    vars()["from"] = serializers.IntegerField()
    to = serializers.IntegerField()
    first_at = serializers.FloatField(help_text="Unix seconds of the oldest byte.")
    last_at = serializers.FloatField()
    blocks = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))


class LogLinesSchema(LogPartSchema):
    vars()["from"] = serializers.IntegerField(required=False)
    to = serializers.IntegerField(required=False, help_text="As far as this answer goes.")
    lines = serializers.ListField(child=serializers.ListField())


class LogMatchesSchema(LogPartSchema):
    ends = serializers.ListField(child=serializers.IntegerField())
    vars()["from"] = serializers.IntegerField(help_text="Looked through was from here")
    to = serializers.IntegerField(help_text="to here.")
    complete = serializers.BooleanField()


class LogHistogramSchema(LogPartSchema):
    vars()["from"] = serializers.FloatField(help_text="Unix seconds.")
    to = serializers.FloatField()
    levels = serializers.ListField(child=serializers.CharField(), help_text="What the counts in a bucket are of.")
    buckets = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    complete = serializers.BooleanField(help_text="False while lines are still being counted.")


class LogMomentSchema(LogPartSchema):
    cursor = serializers.IntegerField()
    line = serializers.IntegerField(allow_null=True, help_text="Where the first line from then on ends.")
