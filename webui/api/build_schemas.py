"""The shapes of answers about builds, for the OpenAPI document."""

from __future__ import annotations

from rest_framework import serializers

from webui.api.schemas import HostReference, JobErrorSchema, JobReference, TeamReference


class BuildContextSchema(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    size_bytes = serializers.IntegerField()
    files = serializers.IntegerField()
    host = HostReference()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "BuildContext"


class BuildWishSchema(serializers.Serializer):
    tags = serializers.ListField(child=serializers.CharField())
    git = serializers.CharField(allow_null=True, required=False, help_text="The repository that it was built from.")
    dockerfile = serializers.CharField(help_text="Its path in the context.")
    dockerfile_text = serializers.CharField(allow_null=True, allow_blank=True)
    target = serializers.CharField(allow_blank=True)
    build_args = serializers.DictField(child=serializers.CharField(allow_blank=True))
    labels = serializers.DictField(child=serializers.CharField(allow_blank=True))
    secrets = serializers.ListField(child=serializers.CharField(), help_text="Their ids; values are never shown.")
    ssh = serializers.ListField(child=serializers.CharField(), required=False, help_text="Ids of agents, no keys.")
    ssh_keys = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="id → a stored key's name."
    )
    entitlements = serializers.ListField(child=serializers.CharField(), required=False)
    platform = serializers.CharField(allow_null=True)
    no_cache = serializers.BooleanField()
    pull = serializers.BooleanField()
    network = serializers.CharField()
    extra_hosts = serializers.ListField(child=serializers.CharField())
    memory_bytes = serializers.IntegerField(allow_null=True)
    cpus = serializers.FloatField(allow_null=True)
    source_date_epoch = serializers.IntegerField(allow_null=True)
    platforms = serializers.ListField(child=serializers.CharField(), required=False)
    push = serializers.BooleanField(required=False)
    cache_from = serializers.ListField(child=serializers.CharField(), required=False)
    cache_to = serializers.CharField(required=False, allow_blank=True)
    cache_mode = serializers.CharField(required=False)
    cache_mounts = serializers.BooleanField(required=False)
    cache_inline = serializers.BooleanField(required=False)
    sbom = serializers.CharField(required=False, allow_blank=True)
    provenance = serializers.CharField(required=False, allow_blank=True)
    signing_key = serializers.CharField(required=False, allow_blank=True, help_text="Its name.")

    class Meta:
        ref_name = "BuildWish"


class BuildTriggerSchema(serializers.Serializer):
    kind = serializers.CharField(help_text="token or webhook.")
    name = serializers.CharField(allow_blank=True, help_text="The token's, or the rule's.")
    rule = serializers.CharField(required=False)
    ref = serializers.CharField(required=False)
    commit = serializers.CharField(required=False)
    sender = serializers.CharField(required=False, allow_blank=True)

    class Meta:
        ref_name = "BuildTrigger"


class BuildSchema(serializers.Serializer):
    id = serializers.CharField()
    url = serializers.CharField()
    name = serializers.CharField(help_text="Its first tag.")
    status = serializers.CharField(help_text="Its job's.")
    error = JobErrorSchema(allow_null=True)
    job = JobReference()
    wish = BuildWishSchema(help_text="What was asked for.")
    context = BuildContextSchema(allow_null=True)
    steps = serializers.IntegerField(help_text="How many there were, once it has ended.")
    steps_cached = serializers.IntegerField(help_text="Of these, how many had been done before.")
    image_id = serializers.CharField(allow_null=True)
    commit = serializers.CharField(allow_null=True, help_text="Of a repository, what was built.")
    trigger = BuildTriggerSchema(allow_null=True, help_text="What has begun it, if no person has by a page.")
    again_of = serializers.CharField(allow_null=True, help_text="The build that this one repeats.")
    requested_by = serializers.CharField(allow_null=True)
    host = HostReference()
    team = TeamReference()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    duration_seconds = serializers.FloatField(allow_null=True)
    cancel_requested = serializers.BooleanField()

    class Meta:
        ref_name = "Build"


class BuildStepSchema(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    stage = serializers.CharField(allow_blank=True)
    inputs = serializers.ListField(child=serializers.CharField(), help_text="Ids of the steps that it builds on.")
    state = serializers.ChoiceField(["waiting", "running", "cached", "done", "failed", "cancelled", "skipped"])
    started_at = serializers.FloatField(allow_null=True, help_text="Unix time.")
    seconds = serializers.FloatField(allow_null=True)
    size_bytes = serializers.IntegerField(allow_null=True, help_text="What it adds to the image.")

    class Meta:
        ref_name = "BuildStep"


class BuildStepsSchema(serializers.Serializer):
    steps = BuildStepSchema(many=True)

    class Meta:
        ref_name = "BuildSteps"


class CacheMountSchema(serializers.Serializer):
    id = serializers.CharField(help_text="As in the Dockerfile; its target where it has none.")
    size_bytes = serializers.IntegerField()
    used_at = serializers.FloatField(help_text="Unix time.")

    class Meta:
        ref_name = "BuildCacheMount"


class BuildCacheSchema(serializers.Serializer):
    steps = serializers.IntegerField()
    layers_bytes = serializers.IntegerField(help_text="Of steps' layers that no image has.")
    mounts_bytes = serializers.IntegerField()
    mounts = CacheMountSchema(many=True, help_text="500 at most, those used last at the end.")

    class Meta:
        ref_name = "BuildCache"


class BuildStarted(serializers.Serializer):
    build = BuildSchema()
    job = JobReference()


class ComparedStep(serializers.Serializer):
    name = serializers.CharField()
    stage = serializers.CharField(allow_blank=True)
    before = BuildStepSchema(allow_null=True, help_text="None: the first build has no such step.")
    after = BuildStepSchema(allow_null=True)


class ComparedTotals(serializers.Serializer):
    seconds = serializers.FloatField(allow_null=True)
    steps = serializers.IntegerField()
    cached = serializers.IntegerField()
    size_bytes = serializers.IntegerField(help_text="What all steps have added.")
    image_id = serializers.CharField(allow_null=True)


class ComparedValue(serializers.Serializer):
    name = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class DifferenceSchema(serializers.Serializer):
    path = serializers.CharField()
    change = serializers.ChoiceField(["added", "changed", "removed"])
    type = serializers.CharField(help_text="file, directory, link, …; after the change, if it is there then.")
    before_bytes = serializers.IntegerField(allow_null=True, help_text="Of a directory, all below it.")
    after_bytes = serializers.IntegerField(allow_null=True)
    files = serializers.IntegerField(help_text="How many a directory has that was added or removed whole.")
    what = serializers.ListField(
        child=serializers.ChoiceField(["type", "content", "target", "device", "mode", "owner", "attributes"]),
        help_text="What has changed; a time alone is no change.",
    )

    class Meta:
        ref_name = "BuildDifference"


class DifferencesSchema(serializers.Serializer):
    added = serializers.IntegerField(help_text="How many, of all of them.")
    changed = serializers.IntegerField()
    removed = serializers.IntegerField()
    differences = DifferenceSchema(many=True, help_text="Those that change sizes most come first.")
    more = serializers.BooleanField(help_text="There are more than are told here.")
    is_cut = serializers.BooleanField(help_text="There was too much to look at all of it.")

    class Meta:
        ref_name = "BuildDifferences"


class BuildComparison(serializers.Serializer):
    before = ComparedTotals()
    after = ComparedTotals()
    steps = ComparedStep(many=True)
    wish = ComparedValue(many=True, help_text="What was asked for otherwise.")
    config = ComparedValue(many=True, help_text="What is other in the images' configurations, while both are here.")
