"""The words of the pages: one table each, given to templates and (as JSON) to the scripts alike."""

from __future__ import annotations

import json
from typing import Any

from webui.accounts.actions import ACTIONS

CONTAINER_STATUS = {
    "pending": "Waiting for host",
    "creating": "Creating",
    "created": "Created",
    "running": "Running",
    "paused": "Paused",
    "restarting": "Restarting",
    "stopped": "Stopped",
    "failed": "Failed",
}

TERMINAL = {
    "/bin/sh -c 'if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi'": "a shell",
}
"""What a page's terminals run (static/js/terminal/panel.js): how they find a shell is nobody's concern."""

HEALTH = {"starting": "Health: starting", "healthy": "Healthy", "unhealthy": "Unhealthy"}

JOB_STATUS = {
    "queued": "Queued",
    "running": "Running",
    "succeeded": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}

JOB_KIND = {
    "image.pull": "Pull image",
    "image.push": "Push image",
    "image.tag": "Tag image",
    "image.remove": "Remove image",
    "image.prune": "Remove unused images",
    "image.fsck": "Check images on disk",
    "image.lookup": "Look for newer images",
    "image.build": "Build image",
    "build.forget": "Forget build",
    "build.prune": "Clear build cache",
    "registry.try": "Try registry",
    "image.load": "Load images",
    "image.import": "Import image",
    "image.starter": "Make starter image",
    "container.create": "Create container",
    "container.recreate": "Recreate container",
    "container.start": "Start container",
    "container.stop": "Stop container",
    "container.kill": "Kill container",
    "container.signal": "Signal a process",
    "container.restart": "Restart container",
    "container.pause": "Pause container",
    "container.unpause": "Resume container",
    "container.update": "Change limits",
    "container.rename": "Rename container",
    "container.commit": "Make image of container",
    "container.remove": "Remove container",
    "volume.create": "Create volume",
    "volume.remove": "Remove volume",
    "volume.prune": "Remove unused volumes",
    "volume.measure": "Measure volume",
    "volume.limit": "Limit volume",
    "volume.rename": "Rename volume",
    "volume.clone": "Clone volume",
    "volume.snapshot": "Take snapshot of volume",
    "volume.revert": "Go back to snapshot",
    "volume.snapshot_remove": "Remove snapshot",
    "volume.backup": "Back up volume",
    "volume.restore": "Restore volume",
    "backup.remove": "Remove backups",
    "backup.try": "Try place for backups",
    "network.create": "Create network",
    "network.remove": "Remove network",
    "network.prune": "Remove unused networks",
    "network.connect": "Connect to network",
    "network.disconnect": "Disconnect from network",
}

AUDIT_RESULT = {
    "asked": "Under way",
    "succeeded": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "refused": "Refused",
}

AUDIT_ACTION = {
    "session.sign_in": "Sign in",
    "session.sign_out": "Sign out",
    "session.second_factor": "Show a second factor as",
    "code_generator.confirm": "Turn on code generator",
    "recovery_code.use": "Use a recovery code",
    "recovery_codes.renew": "Make recovery codes",
    "second_factor.reset": "Reset second factor",
    "audit.export": "Export",
    "audit.trim": "Move old entries out of",
    "container.exec": "Open terminal in",
    "container.attach": "Attach to",
    "container.copy_in": "Copy files into",
    "container.copy_out": "Copy files out of",
    "container.export": "Export",
    "host_group.hosts": "Change hosts of group",
    "volume.read": "Read files of",
    "volume.write": "Write files to",
}
"""What jobs do is in `JOB_KIND`; of the rest the verb and the resource say it."""

_VERBS = {"create": "Create", "update": "Change", "remove": "Remove"}
_RIGHTS = {right.name: right.words[:1].upper() + right.words[1:] for right in ACTIONS}


def action(name: str) -> str:
    """An audit entry's action for people: `registry.update` is "Change registry".

    What was refused is named by the right that was asked for, and then in the words of the page of roles.
    """
    known = AUDIT_ACTION.get(name) or JOB_KIND.get(name)
    if known:
        return known
    resource, _, verb = name.partition(".")
    if verb in _VERBS:
        return f"{_VERBS[verb]} {resource.replace('_', ' ')}"
    if resource == "policy":
        return f"Policy: {verb.replace('_', ' ')}"
    return _RIGHTS.get(name, name)


def plain(value: Any) -> str:
    """A changed field's value for people."""
    if value is None or value == "":
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


LAYER_STATUS = {
    "waiting": "Waiting",
    "downloading": "Downloading",
    "unpacking": "Unpacking",
    "uploading": "Uploading",
    "checking": "Checking",
    "mounted": "Taken over there",
    "done": "Done",
    "exists": "Already here",
}

RESTART = {
    "no": "Never",
    "on-failure": "When it fails",
    "always": "Always",
    "unless-stopped": "Always, unless stopped by hand",
}

# What a person can do about an error, by its family; the error's own message comes first and says what happened.
ADVICE = {
    "not_found": "Check the spelling of the name and the tag. A private image answers like this when no sign-in is "
    "stored for its registry: add one under Registries.",
    "already_exists": "Choose another name, or remove what has it now.",
    "conflict": "Look at its present state, then try again.",
    "invalid_argument": "Correct the request and send it again.",
    "permission_denied": "Check the registry's user name and password under Registries.",
    "unavailable": "Check that this host reaches the network and the registry, then try again. Without internet, make "
    "a starter image instead.",
    "resource_exhausted": "Free some space or choose another port or limit: remove images and containers that nobody "
    "needs.",
    "data_corrupt": "What arrived is not what the registry promised. Try again; if it stays, the image is damaged "
    "there.",
    "unsupported": "This host cannot do that. Its page shows its kernel and versions.",
    "cancelled": "Somebody stopped it. What was downloaded is kept for the next try.",
    "internal": "This is a fault of Portside's own. The worker's log on the host has the details.",
}


def as_json() -> dict[str, Any]:
    """What the scripts need of this."""
    return {
        "container_status": CONTAINER_STATUS,
        "health": HEALTH,
        "job_status": JOB_STATUS,
        "job_kind": JOB_KIND,
        "layer_status": LAYER_STATUS,
        "advice": ADVICE,
    }
