"""Questions to a registry, as a session's source: who asks has secrets along, and a registry takes its time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from worker.context import access_of, accesses_of
from worker.contract import sessions
from worker.contract.secrets import RegistrySecrets
from worker.contract.wire import from_wire, to_wire


class _AskingSource:
    """What `ask` returns, in a thread of its own.

    Nothing goes in or out but the result: see `source.Source`. `ended` is readable once there is one.
    """

    outputs: Mapping[int, int] = {}
    stdin: int | None = None

    def __init__(self, ask: Callable[[], dict[str, Any]]) -> None:
        self._found: dict[str, Any] = {}
        self._error: BaseException | None = None
        self._over_read, over_write = os.pipe()
        self.ended: int | None = self._over_read

        def run() -> None:
            try:
                self._found = ask()
            except BaseException as error:  # noqa: BLE001  whatever it was, `result` raises it
                self._error = error
            finally:
                os.close(over_write)

        threading.Thread(target=run, name="registry-question", daemon=True).start()

    def described(self) -> dict[str, Any]:
        return {}

    def close_stdin(self) -> None:
        pass

    def resize(self, rows: int, columns: int) -> None:
        pass

    def result(self) -> dict[str, Any]:
        """Raises what the registry refused."""
        if self._error is not None:
            raise self._error
        return self._found

    def close(self) -> None:
        """The registry may still be asked: that ends by itself, and nobody waits for it."""
        os.close(self._over_read)


class _ReferenceSource(_AskingSource):
    """About a reference: `ask` gets the wish, and how to speak to the registry."""

    def __init__(
        self, ask: Callable[[sessions.RegistryParameters, Any], dict[str, Any]], parameters: Mapping[str, Any]
    ) -> None:
        wish = from_wire(sessions.RegistryParameters, parameters)
        access = access_of(from_wire(RegistrySecrets, wish.secrets)) if wish.secrets else None
        super().__init__(lambda: ask(wish, access))


class TagsSource(_ReferenceSource):
    """All tags of a repository, at most `sessions.TAGS_MAXIMUM`, the last ones of the registry's order."""

    def __init__(self, engine: Any, _: str, parameters: Mapping[str, Any]) -> None:
        def ask(wish: sessions.RegistryParameters, access: Any) -> dict[str, Any]:
            tags = engine.images.remote_tags(wish.reference, access=access)
            return {"tags": tags[-sessions.TAGS_MAXIMUM :], "count": len(tags)}

        super().__init__(ask, parameters)


class ReferrersSource(_ReferenceSource):
    """What refers to an image at its registry: signatures, attestations, lists of software."""

    def __init__(self, engine: Any, _: str, parameters: Mapping[str, Any]) -> None:
        def ask(wish: sessions.RegistryParameters, access: Any) -> dict[str, Any]:
            found = engine.images.referrers(wish.reference, access=access, artifact_type=wish.artifact_type)
            return {"referrers": [to_wire(one) for one in found[: sessions.REFERRERS_MAXIMUM]], "count": len(found)}

        super().__init__(ask, parameters)


class ManifestSource(_ReferenceSource):
    """What a name stands for at its registry: a manifest, or an index with its platforms."""

    def __init__(self, engine: Any, _: str, parameters: Mapping[str, Any]) -> None:
        def ask(wish: sessions.RegistryParameters, access: Any) -> dict[str, Any]:
            found: dict[str, Any] = to_wire(engine.images.remote_manifest(wish.reference, access=access))
            return found

        super().__init__(ask, parameters)


class SearchSource(_ReferenceSource):
    """Repositories of a registry by a part of their name."""

    def __init__(self, engine: Any, _: str, parameters: Mapping[str, Any]) -> None:
        def ask(wish: sessions.RegistryParameters, access: Any) -> dict[str, Any]:
            limit = min(max(1, wish.limit), sessions.SEARCH_MAXIMUM)
            found = engine.images.search(wish.reference, access=access, limit=limit)
            return {"repositories": [to_wire(one) for one in found]}

        super().__init__(ask, parameters)


class SignaturesSource(_AskingSource):
    """Who has signed an image of this host, here or at the registries of its names."""

    def __init__(self, engine: Any, _: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(sessions.SignaturesParameters, parameters)
        accesses = accesses_of(wish.registries)

        def ask() -> dict[str, Any]:
            images = engine.images
            signed = images.verify(wish.image, list(wish.keys), access=accesses) if wish.keys else []
            return {"attachments": to_wire(images.attachments.of(wish.image)), "signed": to_wire(list(signed))}

        super().__init__(ask)
