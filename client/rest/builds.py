"""/api/v1/builds/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Unpack

from client.resource import Json, Resource
from client.rest.builds_bodies import Again, NewBuild, NewGitServer, NewRule, NewSshKey, PatchedRuleChanges, PruneCache
from client.transport import Answer, Body, located


class Builds(Resource):
    def list(
        self,
        *,
        cursor: str | None = None,
        host: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
        search: str | None = None,
        status: Literal["cancelled", "failed", "queued", "running", "succeeded"] | None = None,
    ) -> Iterator[Json]:
        """List builds, the newest first."""
        return self._rows(
            "/api/v1/builds/",
            {
                "cursor": cursor,
                "host": host,
                "ordering": ordering,
                "page": page,
                "page_size": page_size,
                "search": search,
                "status": status,
            },
        )

    def create(self, **body: Unpack[NewBuild]) -> Json:
        """Build an image from a Dockerfile, with or without a folder that was sent before."""
        return self._ask("POST", "/api/v1/builds/", body=body)

    def read(self, build_id: str) -> Json:
        """Read a build."""
        return self._ask("GET", located("/api/v1/builds/{}/", build_id))

    def forget(self, build_id: str) -> None:
        """Forget a build that has ended; its image stays."""
        self._ask("DELETE", located("/api/v1/builds/{}/", build_id))

    def again(self, build_id: str, **body: Unpack[Again]) -> Json:
        """Build the same once more, with what the body says otherwise."""
        return self._ask("POST", located("/api/v1/builds/{}/again/", build_id), body=body)

    def compare(self, build_id: str, other_id: str) -> Json:
        """Say what is other in a build than in another one: what was asked, steps, times, cache hits, sizes, image.."""
        return self._ask("GET", located("/api/v1/builds/{}/compare/{}/", build_id, other_id))

    def differences(self, build_id: str, other_id: str, *, limit: int | None = None) -> Json:
        """Say which files differ between the images of two builds, while their host has both."""
        return self._ask("GET", located("/api/v1/builds/{}/compare/{}/files/", build_id, other_id), {"limit": limit})

    def output(self, build_id: str, *, format: Literal["docker", "files", "oci"] | None = None) -> Answer:
        """Read what a build has made as a tar: its files, or the image as an archive."""
        return self._open("GET", located("/api/v1/builds/{}/output/", build_id), {"format": format})

    def shell(self, build_id: str) -> Json:
        """Make a container of what a failed step has left, to open a terminal in; both go after half an hour."""
        return self._ask("POST", located("/api/v1/builds/{}/shell/", build_id))

    def steps(self, build_id: str) -> Json:
        """Read the steps of a build that has ended. While it goes on, /ws/builds/{id}/ tells them."""
        return self._ask("GET", located("/api/v1/builds/{}/steps/", build_id))

    def cache(self, *, host: str | None = None) -> Json:
        """What builds have left on a host for later ones: steps, and the mounts of RUN --mount=type=cache."""
        return self._ask("GET", "/api/v1/builds/cache/", {"host": host})

    def send_context(self, data: Body, *, host: str | None = None, name: str | None = None) -> Json:
        """Send a folder (tar, plain or gzip or zstd, or zip) to a host, for builds that name its id."""
        return self._give("POST", "/api/v1/builds/contexts/", {"host": host, "name": name}, data, "application/x-tar")

    def git_servers_list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-server", "created_at", "server"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List the git servers that your teams sign in to."""
        return self._rows(
            "/api/v1/builds/git-servers/",
            {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size},
        )

    def git_servers_set(self, **body: Unpack[NewGitServer]) -> Json:
        """Store who a team is at a git server, or replace it."""
        return self._ask("POST", "/api/v1/builds/git-servers/", body=body)

    def git_servers_delete(self, server_id: str) -> None:
        """Forget who a team is at a git server."""
        self._ask("DELETE", located("/api/v1/builds/git-servers/{}/", server_id))

    def prune_cache(self, **body: Unpack[PruneCache]) -> Json:
        """Delete what builds have left on a host for later ones."""
        return self._ask("POST", "/api/v1/builds/prune/", body=body)

    def rules_list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List the rules by which forges have something built."""
        return self._rows(
            "/api/v1/builds/rules/", {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size}
        )

    def rules_create(self, **body: Unpack[NewRule]) -> Json:
        """Make a rule. The answer has the secret for the forge's webhook, this once."""
        return self._ask("POST", "/api/v1/builds/rules/", body=body)

    def rules_read(self, rule_id: str) -> Json:
        """Read a rule."""
        return self._ask("GET", located("/api/v1/builds/rules/{}/", rule_id))

    def rules_change(self, rule_id: str, **body: Unpack[PatchedRuleChanges]) -> Json:
        """Change a rule; its builds have your rights from then on."""
        return self._ask("PATCH", located("/api/v1/builds/rules/{}/", rule_id), body=body)

    def rules_delete(self, rule_id: str) -> None:
        """Delete a rule and its deliveries; what was built stays."""
        self._ask("DELETE", located("/api/v1/builds/rules/{}/", rule_id))

    def rules_deliveries(
        self,
        rule_id: str,
        *,
        cursor: str | None = None,
        ordering: Literal["-received_at", "received_at"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List what a forge has told a rule, the newest first."""
        return self._rows(
            located("/api/v1/builds/rules/{}/deliveries/", rule_id),
            {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size},
        )

    def rules_redeliver(self, rule_id: str, delivery_id: str) -> Json:
        """Build once more what a delivery told, by the rule as it is now."""
        return self._ask("POST", located("/api/v1/builds/rules/{}/deliveries/{}/again/", rule_id, delivery_id))

    def rules_new_secret(self, rule_id: str) -> Json:
        """Make another secret; the one that the forge has holds no longer."""
        return self._ask("POST", located("/api/v1/builds/rules/{}/secret/", rule_id))

    def ssh_keys_list(
        self,
        *,
        cursor: str | None = None,
        ordering: Literal["-created_at", "-name", "created_at", "name"] | None = None,
        page: int | None = None,
        page_size: int | None = None,
    ) -> Iterator[Json]:
        """List the SSH keys that your teams' builds may sign in with."""
        return self._rows(
            "/api/v1/builds/ssh-keys/", {"cursor": cursor, "ordering": ordering, "page": page, "page_size": page_size}
        )

    def ssh_keys_create(self, **body: Unpack[NewSshKey]) -> Json:
        """Make an SSH key for builds, or store one that you have."""
        return self._ask("POST", "/api/v1/builds/ssh-keys/", body=body)

    def ssh_keys_delete(self, ssh_key_id: str) -> None:
        """Forget an SSH key; servers that know it go on knowing it."""
        self._ask("DELETE", located("/api/v1/builds/ssh-keys/{}/", ssh_key_id))
