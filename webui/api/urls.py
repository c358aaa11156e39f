"""`/api/v1/`: every resource and verb."""

from __future__ import annotations

from typing import Any

from django.urls import path, re_path, register_converter

from webui import addressing  # noqa: F401  it makes <word:…> known
from webui.api.errors import unknown_path
from webui.api.views import (
    archives,
    audit,
    backups,
    batch,
    build_rules,
    builds,
    certificates,
    containers,
    docs,
    events,
    execs,
    host_groups,
    hosts,
    image_actions,
    image_archives,
    image_questions,
    images,
    invitations,
    jobs,
    log_parts,
    logs,
    members,
    networks,
    people,
    policies,
    pruning,
    questions,
    recordings,
    registries,
    registry_questions,
    roles,
    service_accounts,
    sign_in,
    signing_keys,
    ssh_keys,
    teams,
    tokens,
    volume_actions,
    volume_files,
    volumes,
    watching,
    webhooks,
)
from webui.api.views.container_actions import ACTIONS


class ContainerId:
    """64 hex digits, whole: a part of an id or a name would have to be searched for."""

    regex = "[0-9a-f]{64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class BuildId(ContainerId):
    """32 hex digits."""

    regex = "[0-9a-f]{32}"


register_converter(ContainerId, "container_id")
register_converter(BuildId, "build_id")

OF_A_TEAM: tuple[tuple[str, Any, str], ...] = (
    ("members/", members.MemberList, "members"),
    ("members/<int:user_id>/", members.MemberDetail, "member"),
    ("members/<int:user_id>/grants/", members.GrantList, "grants"),
    ("members/<int:user_id>/grants/<uuid:grant_id>/", members.GrantDetail, "grant"),
    ("invitations/", invitations.InvitationList, "invitations"),
    ("invitations/<uuid:invitation_id>/", invitations.InvitationDetail, "invitation"),
    ("service-accounts/", service_accounts.ServiceAccountList, "service-accounts"),
    ("service-accounts/<int:user_id>/", service_accounts.ServiceAccountDetail, "service-account"),
    ("service-accounts/<int:user_id>/tokens/", service_accounts.ServiceTokenList, "service-tokens"),
    (
        "service-accounts/<int:user_id>/tokens/<uuid:token_id>/",
        service_accounts.ServiceTokenDetail,
        "service-token",
    ),
    ("host-groups/", host_groups.GroupList, "host-groups"),
    ("host-groups/<uuid:group_id>/", host_groups.GroupDetail, "host-group"),
)

app_name = "api"
urlpatterns = [
    # Django tries them in this order: those that scripts ask for most come first.
    path("containers/", containers.ContainerList.as_view(), name="containers"),
    path("containers/removed/", containers.RemovedList.as_view(), name="containers-removed"),
    path("containers/prune/", pruning.ContainersPrune.as_view(), name="containers-prune"),
    path("containers/stats/", watching.ContainersStats.as_view(), name="containers-stats"),
    path("containers/<container_id:container_id>/", containers.ContainerDetail.as_view(), name="container"),
    path(
        "containers/<container_id:container_id>/logs/histogram/", log_parts.LogHistogram.as_view(), name="log-histogram"
    ),
    path("containers/<container_id:container_id>/logs/lines/", log_parts.LogLines.as_view(), name="log-lines"),
    path("containers/<container_id:container_id>/logs/moment/", log_parts.LogMoment.as_view(), name="log-moment"),
    path("containers/<container_id:container_id>/logs/outline/", log_parts.LogOutline.as_view(), name="log-outline"),
    path("containers/<container_id:container_id>/logs/search/", log_parts.LogSearch.as_view(), name="log-search"),
    path("containers/<container_id:container_id>/logs/", logs.ContainerLogs.as_view(), name="container-logs"),
    path("containers/<container_id:container_id>/top/", questions.ContainerTop.as_view(), name="container-top"),
    path("containers/<container_id:container_id>/exec/", execs.ContainerExec.as_view(), name="container-exec"),
    path("containers/<container_id:container_id>/execs/", execs.ContainerExecs.as_view(), name="container-execs"),
    path(
        "containers/<container_id:container_id>/execs/<container_id:exec_id>/",
        execs.ContainerExecDetail.as_view(),
        name="container-exec-detail",
    ),
    path("containers/<container_id:container_id>/stats/", watching.ContainerStats.as_view(), name="container-stats"),
    path("containers/<container_id:container_id>/health/", watching.ContainerHealth.as_view(), name="container-health"),
    path("containers/<container_id:container_id>/wait/", watching.ContainerWait.as_view(), name="container-wait"),
    path(
        "containers/<container_id:container_id>/recreate/",
        containers.ContainerRecreate.as_view(),
        name="container-recreate",
    ),
    path(
        "containers/<container_id:container_id>/changes/",
        questions.ContainerChanges.as_view(),
        name="container-changes",
    ),
    path(
        "containers/<container_id:container_id>/archive/",
        archives.ContainerArchive.as_view(),
        name="container-archive",
    ),
    path("containers/<container_id:container_id>/export/", archives.ContainerExport.as_view(), name="container-export"),
    *(
        path(f"containers/<container_id:container_id>/{name}/", view.as_view(), name=f"container-{name}")
        for name, view in ACTIONS.items()
    ),
    path("jobs/", jobs.JobList.as_view(), name="jobs"),
    path("jobs/<uuid:job_id>/", jobs.JobDetail.as_view(), name="job"),
    path("jobs/<uuid:job_id>/cancel/", jobs.JobCancel.as_view(), name="job-cancel"),
    path("audit/", audit.AuditList.as_view(), name="audit"),
    path("audit/export/", audit.AuditExport.as_view(), name="audit-export"),
    path("audit/<int:entry_id>/", audit.AuditDetail.as_view(), name="audit-entry"),
    path("batch/", batch.BatchDo.as_view(), name="batch"),
    path("certificates/", certificates.CertificateList.as_view(), name="certificates"),
    path("certificates/<uuid:certificate_id>/", certificates.CertificateDetail.as_view(), name="certificate"),
    path("hosts/", hosts.HostList.as_view(), name="hosts"),
    path("hosts/<word:host_id>/disk-usage/", image_questions.HostDiskUsage.as_view(), name="host-disk-usage"),
    path("hosts/<word:host_id>/move/", host_groups.HostMove.as_view(), name="host-move"),
    path("hosts/<word:host_id>/", hosts.HostDetail.as_view(), name="host"),
    path("images/", images.ImageList.as_view(), name="images"),
    path("images/pull/", images.ImagePull.as_view(), name="image-pull"),
    path("images/starter/", images.ImageStarter.as_view(), name="image-starter"),
    path("images/fsck/", image_actions.ImagesVerify.as_view(), name="images-fsck"),
    path("images/import/", image_archives.ImagesImport.as_view(), name="images-import"),
    path("images/load/", image_archives.ImagesLoad.as_view(), name="images-load"),
    path("images/lookup/", image_actions.ImagesLookup.as_view(), name="images-lookup"),
    path("images/prune/", image_actions.ImagesPrune.as_view(), name="images-prune"),
    path("images/remote-tags/", registry_questions.RemoteTags.as_view(), name="images-remote-tags"),
    path("images/save/", image_archives.ImagesSave.as_view(), name="images-save"),
    path("images/<int:image_id>/", images.ImageDetail.as_view(), name="image"),
    path("images/<int:image_id>/files/", image_questions.ImageFiles.as_view(), name="image-files"),
    path("images/<int:image_id>/history/", image_questions.ImageHistory.as_view(), name="image-history"),
    path("images/<int:image_id>/attachments/", image_questions.ImageAttached.as_view(), name="image-attachments"),
    path(
        "images/<int:image_id>/attachments/<word:digest>/",
        image_questions.ImageAttachment.as_view(),
        name="image-attachment",
    ),
    path("images/<int:image_id>/referrers/", registry_questions.ImageReferrers.as_view(), name="image-referrers"),
    path("images/<int:image_id>/push/", image_actions.ImagePush.as_view(), name="image-push"),
    path("images/<int:image_id>/save/", image_archives.ImageSave.as_view(), name="image-save"),
    path("images/<int:image_id>/tag/", image_actions.ImageTag.as_view(), name="image-tag"),
    path("images/<int:image_id>/untag/", image_actions.ImageUntag.as_view(), name="image-untag"),
    path("images/<int:image_id>/waste/", image_questions.ImageWaste.as_view(), name="image-waste"),
    path("backup-places/", backups.PlaceList.as_view(), name="backup-places"),
    path("backup-places/<uuid:place_id>/test/", backups.PlaceTest.as_view(), name="backup-place-test"),
    path("backup-places/<uuid:place_id>/", backups.PlaceDetail.as_view(), name="backup-place"),
    path("backup-plans/<uuid:plan_id>/", backups.PlanDetail.as_view(), name="backup-plan"),
    path("backups/", backups.BackupList.as_view(), name="backups"),
    path("backups/<uuid:backup_id>/restore/", backups.BackupRestore.as_view(), name="backup-restore"),
    path("backups/<uuid:backup_id>/", backups.BackupDetail.as_view(), name="backup"),
    path("builds/", builds.BuildList.as_view(), name="builds"),
    path("builds/contexts/", builds.BuildContexts.as_view(), name="builds-contexts"),
    path("builds/cache/", builds.BuildCache.as_view(), name="builds-cache"),
    path("builds/prune/", builds.BuildCachePrune.as_view(), name="builds-prune"),
    path("builds/rules/", build_rules.BuildRules.as_view(), name="build-rules"),
    path("builds/rules/<build_id:rule_id>/", build_rules.BuildRuleDetail.as_view(), name="build-rule"),
    path("builds/rules/<build_id:rule_id>/secret/", build_rules.BuildRuleSecret.as_view(), name="build-rule-secret"),
    path("builds/rules/<build_id:rule_id>/deliveries/", build_rules.BuildDeliveries.as_view(), name="build-deliveries"),
    path(
        "builds/rules/<build_id:rule_id>/deliveries/<build_id:delivery_id>/again/",
        build_rules.BuildDeliveryAgain.as_view(),
        name="build-delivery-again",
    ),
    path("builds/ssh-keys/", ssh_keys.SshKeyList.as_view(), name="ssh-keys"),
    path("builds/ssh-keys/<uuid:ssh_key_id>/", ssh_keys.SshKeyDetail.as_view(), name="ssh-key"),
    path("builds/git-servers/", build_rules.GitServers.as_view(), name="git-servers"),
    path("builds/git-servers/<uuid:server_id>/", build_rules.GitServerDetail.as_view(), name="git-server"),
    path("builds/<build_id:build_id>/", builds.BuildDetail.as_view(), name="build"),
    path("builds/<build_id:build_id>/again/", builds.BuildAgain.as_view(), name="build-again"),
    path("builds/<build_id:build_id>/output/", builds.BuildOutput.as_view(), name="build-output"),
    path(
        "builds/<build_id:build_id>/compare/<build_id:other_id>/", builds.BuildCompare.as_view(), name="build-compare"
    ),
    path(
        "builds/<build_id:build_id>/compare/<build_id:other_id>/files/",
        builds.BuildDifferences.as_view(),
        name="build-differences",
    ),
    path("builds/<build_id:build_id>/shell/", builds.BuildShell.as_view(), name="build-shell"),
    path("builds/<build_id:build_id>/steps/", builds.BuildSteps.as_view(), name="build-steps"),
    path("events/", events.EventList.as_view(), name="events"),
    path("networks/", networks.NetworkList.as_view(), name="networks"),
    path("networks/prune/", networks.NetworksPrune.as_view(), name="networks-prune"),
    path("networks/topology/", networks.NetworksTopology.as_view(), name="networks-topology"),
    path("networks/bridge/connect/", networks.DefaultConnect.as_view(), name="networks-connect-default"),
    path("networks/bridge/disconnect/", networks.DefaultDisconnect.as_view(), name="networks-disconnect-default"),
    path("networks/<int:network_id>/", networks.NetworkDetail.as_view(), name="network"),
    path("networks/<int:network_id>/names/", networks.NetworkNames.as_view(), name="network-names"),
    path("networks/<int:network_id>/connect/", networks.NetworkConnect.as_view(), name="network-connect"),
    path("networks/<int:network_id>/disconnect/", networks.NetworkDisconnect.as_view(), name="network-disconnect"),
    path("recordings/", recordings.RecordingList.as_view(), name="recordings"),
    path("recordings/<uuid:recording_id>/", recordings.RecordingDetail.as_view(), name="recording"),
    path("recordings/<uuid:recording_id>/cast/", recordings.RecordingCast.as_view(), name="recording-cast"),
    path("signing-keys/", signing_keys.SigningKeyList.as_view(), name="signing-keys"),
    path("signing-keys/<uuid:key_id>/", signing_keys.SigningKeyDetail.as_view(), name="signing-key"),
    path("registries/", registries.RegistryList.as_view(), name="registries"),
    path("registries/<uuid:credential_id>/test/", registries.RegistryTest.as_view(), name="registry-test"),
    path("registries/<uuid:credential_id>/", registries.RegistryDetail.as_view(), name="registry"),
    path("actions/", roles.ActionList.as_view(), name="actions"),
    path("invitations/accept/", invitations.InvitationAccept.as_view(), name="invitation-accept"),
    path("roles/", roles.RoleList.as_view(), name="roles"),
    path("roles/<slug:role_key>/", roles.RoleDetail.as_view(), name="role"),
    path("users/", people.PersonList.as_view(), name="users"),
    path("users/<int:user_id>/", people.PersonDetail.as_view(), name="user"),
    path("users/<int:user_id>/second-factor/", sign_in.PersonSecondFactor.as_view(), name="user-second-factor"),
    path("users/<int:user_id>/password/", people.PersonPassword.as_view(), name="user-password"),
    *(path(f"teams/<uuid:team_id>/{route}", view.as_view(), name=name) for route, view, name in OF_A_TEAM),
    path("teams/", teams.TeamList.as_view(), name="teams"),
    path("teams/<uuid:team_id>/", teams.TeamDetail.as_view(), name="team"),
    path("teams/<uuid:team_id>/policy/", policies.TeamPolicyDetail.as_view(), name="team-policy"),
    path("tokens/", tokens.TokenList.as_view(), name="tokens"),
    path("tokens/<uuid:token_id>/", tokens.TokenDetail.as_view(), name="token"),
    path("sessions/", sign_in.SessionList.as_view(), name="sessions"),
    path("sessions/<uuid:session_id>/", sign_in.SessionDetail.as_view(), name="session"),
    path("identity-providers/", sign_in.ProviderList.as_view(), name="identity-providers"),
    path("identity-providers/<uuid:provider_id>/", sign_in.ProviderDetail.as_view(), name="identity-provider"),
    path("sign-in/", sign_in.Policy.as_view(), name="sign-in"),
    path("webhooks/", webhooks.WebhookList.as_view(), name="webhooks"),
    path("webhooks/<uuid:webhook_id>/", webhooks.WebhookDetail.as_view(), name="webhook"),
    path("webhooks/<uuid:webhook_id>/test/", webhooks.WebhookTest.as_view(), name="webhook-test"),
    path("webhooks/<uuid:webhook_id>/secret/", webhooks.WebhookSecret.as_view(), name="webhook-secret"),
    path("webhooks/<uuid:webhook_id>/deliveries/", webhooks.WebhookDeliveries.as_view(), name="webhook-deliveries"),
    path(
        "webhooks/<uuid:webhook_id>/deliveries/<uuid:message_id>/again/",
        webhooks.DeliveryAgain.as_view(),
        name="webhook-delivery-again",
    ),
    path("volumes/", volumes.VolumeList.as_view(), name="volumes"),
    path("volumes/prune/", volumes.VolumesPrune.as_view(), name="volumes-prune"),
    path("volumes/<int:volume_id>/archive/", backups.VolumeTar.as_view(), name="volume-tar"),
    path("volumes/<int:volume_id>/backups/", backups.VolumeBackups.as_view(), name="volume-backups"),
    path("volumes/<int:volume_id>/plans/", backups.VolumePlans.as_view(), name="volume-plans"),
    path("volumes/<int:volume_id>/clone/", volume_actions.VolumeClone.as_view(), name="volume-clone"),
    path("volumes/<int:volume_id>/rename/", volume_actions.VolumeRename.as_view(), name="volume-rename"),
    path("volumes/<int:volume_id>/snapshots/", volume_actions.VolumeSnapshots.as_view(), name="volume-snapshots"),
    path(
        "volumes/<int:volume_id>/snapshots/<word:snapshot>/",
        volume_actions.VolumeSnapshot.as_view(),
        name="volume-snapshot",
    ),
    path(
        "volumes/<int:volume_id>/snapshots/<word:snapshot>/revert/",
        volume_actions.VolumeRevert.as_view(),
        name="volume-revert",
    ),
    path("volumes/<int:volume_id>/limit/", volume_actions.VolumeLimit.as_view(), name="volume-limit"),
    path("volumes/<int:volume_id>/measure/", volume_actions.VolumeMeasure.as_view(), name="volume-measure"),
    path("volumes/<int:volume_id>/sizes/", volume_actions.VolumeSizes.as_view(), name="volume-sizes"),
    path("volumes/<int:volume_id>/", volumes.VolumeDetail.as_view(), name="volume"),
    path("volumes/<int:volume_id>/files/", volume_files.VolumeFiles.as_view(), name="volume-files"),
    path(
        "volumes/<int:volume_id>/files/content/", volume_files.VolumeFileContent.as_view(), name="volume-file-content"
    ),
    path(
        "volumes/<int:volume_id>/files/archive/", volume_files.VolumeDirectoryArchive.as_view(), name="volume-archive"
    ),
    path("volumes/<int:volume_id>/files/directory/", volume_files.VolumeDirectories.as_view(), name="volume-directory"),
    path("volumes/<int:volume_id>/files/move/", volume_files.VolumeFileMove.as_view(), name="volume-file-move"),
    path("schema/", docs.Schema.as_view(), name="schema"),
    path("docs/", docs.Docs.as_view(), name="docs"),
    re_path(r"^[\s\S]*$", unknown_path),  # with line ends in it, too
]
