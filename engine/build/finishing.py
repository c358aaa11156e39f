"""What comes after the last step: the image is made visible, and what else was asked for is done, a step each."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine.build import cache_export, exporting, publishing
from engine.build.attesting import Attesting
from engine.build.events import CANCELLED, DONE, FAILED, Reporter, Step
from engine.build.keys import CachePlace
from engine.build.layering import empty_of, tree_of
from engine.build.outputs import LOCAL, TAR, Output
from engine.build.publishing import Published
from engine.build.running import Running, Solved
from engine.build.spec import CacheExport, describe
from engine.build.travelling_mounts import packed_mount
from engine.build.trees import Tree
from engine.errors import Cancelled, EngineError
from engine.images.image import Image
from engine.images.pull import Stop
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference

_READ_BYTES = 1 << 20


class Finishing:
    """Of one build, whose plan is solved."""

    def __init__(self, running: Running, solved: Sequence[Solved]) -> None:
        self._running = running
        self._solved = solved
        self._reporter = Reporter(running.asked.progress)
        self._stop = Stop(running.asked.cancel)
        self._before = [step for one in solved for step in one.last]
        self._names: list[str] = []
        self.digest = ""
        self.pushed: tuple[str, ...] = ()

    def run(self, names: Sequence[Reference]) -> Image:
        """The image. Raises what packing and pushing do; the image is visible then."""
        spec = self._running.asked.spec
        self._names = [str(name) for name in names]
        published = self._publish(names)
        self._attest(published, names)
        for number, wanted in enumerate(spec.outputs):
            self._write(number, wanted, published.image)
        for number, name in enumerate(names if spec.push else ()):
            self._push(number, name)
        for number, export in enumerate(spec.cache_to):
            self._export(number, export)
        return published.image

    def _publish(self, names: Sequence[Reference]) -> Published:
        shelf, lease, spec = self._running.tools.shelf, self._running.lease, self._running.asked.spec
        self._stop.raise_if_set()
        if len(self._solved) == 1 and not (spec.sbom or spec.provenance or spec.signing_key):
            return publishing.publish(shelf, self._solved[0], names, lease)
        what = "pack the images, and make an index of them" if len(self._solved) > 1 else "pack the image"
        with self._step("pack", what):
            published = publishing.publish_packed(shelf, self._solved, names, lease, self._stop)
            assert published.top is not None
            self.digest = str(published.top.digest)
        return published

    def _attest(self, published: Published, names: Sequence[Reference]) -> None:
        """What is stated about the image, before it goes anywhere."""
        running, spec = self._running, self._running.asked.spec
        attesting = Attesting(running.tools.shelf, running.lease, running.asked, published, names)
        if spec.sbom:
            with self._step("sbom", f"list the software ({spec.sbom})") as step:
                for line in attesting.software(self._solved, self._stop.is_set):
                    step.log(f"{line}\n".encode(errors="replace"))
        if spec.provenance:
            with self._step("provenance", "state how it was built"):
                attesting.provenance(self._solved)
        if spec.signing_key:
            with self._step("sign", "sign the image") as step:
                step.log(f"by the key {attesting.sign()}\n".encode())

    def _write(self, number: int, output: Output, image: Image) -> None:
        shown = f" {output.path}" if output.path else ""
        with self._step(f"output.{number}", f"write {output.kind}{shown}"):
            if output.kind == LOCAL:
                self._write_directories(output.path)
            elif output.kind == TAR:
                with self._tree(self._solved[0]) as tree, output.opened() as descriptor:
                    exporting.write_tar(tree, exporting.to_descriptor(descriptor, self._stop.is_set))
            else:
                self._write_archive(output, image)

    def _write_directories(self, path: str) -> None:
        """One of several platforms has a directory of its own below, as BuildKit names it: linux_amd64."""
        empty = empty_of(self._running.tools.shelf.snapshots)
        for one in self._solved:
            below = str(one.platform).replace("/", "_") if len(self._solved) > 1 else ""
            with self._tree(one) as tree:
                exporting.write_directory(tree, os.path.join(path, below), empty, self._stop.is_set)

    def _tree(self, solved: Solved) -> Tree:
        return tree_of(self._running.tools.shelf.snapshots, solved.draft.layers, "the target")

    def _write_archive(self, output: Output, image: Image) -> None:
        names = self._names or [image.id]
        with (
            self._running.tools.images.save(names, format=output.kind, cancel=self._stop) as saving,
            output.opened() as descriptor,
        ):
            assert saving.stream is not None
            sink = exporting.to_descriptor(descriptor, self._stop.is_set)
            while data := os.read(saving.stream, _READ_BYTES):
                sink(data)
            saving.wait()

    def _push(self, number: int, name: Reference) -> None:
        running = self._running
        with self._step(f"push.{number}", f"push {name.familiar}") as step:

            def show(phase: str, layers: Iterable[Any]) -> None:
                lines = list(layers)
                step.moved(sum(line.done_bytes for line in lines), sum(line.total_bytes for line in lines))

            access = (running.asked.access or {}).get(name.registry)
            try:
                result = running.tools.images.push(
                    str(name), access=access, all_platforms=len(self._solved) > 1, progress=show, cancel=self._stop
                )
            except Cancelled:
                raise
            except EngineError as error:
                error.message = f"the image was built, but it could not be pushed as {name.familiar}: {error.message}"
                error.args = (error.message,)
                raise
            step.log(f"{result.reference}@{result.digest}\n".encode())
            self.digest = str(Digest(result.digest))
            self.pushed = (*self.pushed, result.reference)

    def _export(self, number: int, export: CacheExport) -> None:
        running, name = self._running, Reference.parse(export.reference)
        layers = {diff_id for one in self._solved for diff_id in one.draft.layers}
        found = [step for one in self._solved for step in one.steps]
        blobs = [blob for one in self._solved for blob in one.draft.blobs]
        # What stops the export's own threads must not stop what comes after one that may fail.
        place = CachePlace(name, (running.asked.access or {}).get(name.registry), Stop(self._stop))
        with self._step(f"cache.export.{number}", f"export the cache to {name.familiar}") as step:
            steps = cache_export.chosen(found, layers, export.mode)
            try:
                mounts = self._mounts() if export.mounts else {}
                cache_export.export(
                    running.tools.shelf, running.lease, place, steps=steps, blobs=blobs, mounts=mounts, moved=step.moved
                )
            except Cancelled:
                raise
            except EngineError as error:
                if not export.may_fail:
                    error.message = f"the image was built, but its cache could not be exported: {error.message}"
                    error.args = (error.message,)
                    raise
                step.log(f"not exported: {error.message}\n".encode())
            else:
                step.log(f"{len(steps)} steps, {len(mounts)} cache mounts\n".encode())

    def _mounts(self) -> dict[str, Descriptor]:
        """The cache mounts that the build has used, packed."""
        running, found = self._running, {}
        for name in dict.fromkeys(name for one in running.mounts for name in one.used):
            tools, team = running.tools, running.asked.spec.team
            packed = packed_mount(tools.mounts, tools.shelf, running.lease, team=team, name=name, stop=self._stop)
            if packed is not None:
                found[name] = packed
        return found

    @contextlib.contextmanager
    def _step(self, identifier: str, name: str) -> Iterator[Step]:
        """A step that people see, after all that came before."""
        self._stop.raise_if_set()
        step = self._reporter.step(identifier, name, "", self._before)
        step.start()
        try:
            yield step
        except BaseException as error:
            step.end(CANCELLED if isinstance(error, Cancelled) else FAILED, error=describe(error))
            raise
        step.end(DONE)
        self._before = [identifier]
