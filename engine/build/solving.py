"""One build: the stages that its target needs, side by side, each waiting only where it reads another one."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from engine.build import copy_step
from engine.build.bases import Bases
from engine.build.copy_step import Placing, Sources
from engine.build.draft import Draft
from engine.build.events import CACHED, CANCELLED, DONE, FAILED, Reporter, Step
from engine.build.language import model, onbuild
from engine.build.planning import SCRATCH, Plan, StagePlan, sources_of
from engine.build.spec import describe
from engine.build.stage import STEPS, Build, StageRun, located
from engine.build.trees import Tree
from engine.errors import Cancelled, EngineError, InvalidArgument
from engine.images.pull import Stop
from engine.oci.platform import Platform

_WAIT_SECONDS = 0.05
_IMAGE = "docker-image://"


@dataclass(slots=True)
class Solving:
    """`tree`: the context's; `named`: trees of contexts with a name. `build` is set before `run`, since it asks this
    for trees."""

    plan: Plan
    tree: Tree
    named: Mapping[str, Tree]
    bases: Bases
    reporter: Reporter
    stop: Stop
    platform: Platform
    build: Build = field(init=False)
    missing: dict[int, set[str]] = field(default_factory=dict)
    _futures: dict[int, Future[Draft]] = field(default_factory=dict)
    _steps: dict[int, list[Step]] = field(default_factory=dict)
    _first: dict[int, Step] = field(default_factory=dict)
    _trees: dict[tuple[str, ...], Tree] = field(default_factory=dict)
    _images: dict[str, Draft] = field(default_factory=dict)
    _error: BaseException | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def run(self) -> Draft:
        """The target's draft. Raises the first error; all else is stopped then."""
        for number in self.plan.wanted:
            self._announce(self.plan.stages[number])
        pool = ThreadPoolExecutor(len(self.plan.wanted), thread_name_prefix="stage")
        try:
            for number in self.plan.wanted:
                self._futures[number] = Future()
            for number in self.plan.wanted:
                pool.submit(self._settle, self.plan.stages[number])
            return self._result(self.plan.target)
        except Cancelled:
            if self._error is not None:
                raise self._error from None
            raise
        finally:
            self.stop.set()
            pool.shutdown(wait=True)
            for tree in self._trees.values():
                tree.close()
            self.reporter.close(CANCELLED)

    def last(self) -> list[str]:
        """The ids of the steps that the target ends with."""
        return self._last_of(self.plan.target)

    # -- stages -------------------------------------------------------------------------------------------------

    def _announce(self, plan: StagePlan) -> None:
        """Tell of all that a stage will do, as far as it is known before its base is."""
        number = plan.stage.index
        stage, called = plan.stage, plan.called
        work = [one for one in stage.instructions if isinstance(one, STEPS)]
        begins = plan.base_stage is None and plan.base != SCRATCH
        total = len(work) + begins
        before: list[str] = []
        if begins:
            text = f"FROM {plan.base}"
            self._first[number] = self.reporter.step(f"{number}.0", _name(called, 1, total, text), called)
            before = [f"{number}.0"]
        elif plan.base_stage is not None:
            before = self._last_of(plan.base_stage)
        steps = []
        for position, instruction in enumerate(work, 1):
            identifier = f"{number}.{position}"
            inputs = [*before, *self._read_by(instruction, number)]
            name = _name(called, position + begins, total, " ".join(instruction.original.split()))
            steps.append(self.reporter.step(identifier, name, called, inputs))
            before = [identifier]
        self._steps[number] = steps

    def _last_of(self, number: int) -> list[str]:
        """The ids of what a stage ends with; of its base, if it does nothing itself."""
        if self._steps.get(number):
            return [self._steps[number][-1].vertex.id]
        if number in self._first:
            return [self._first[number].vertex.id]
        base = self.plan.stages[number].base_stage
        return [] if base is None else self._last_of(base)

    def _read_by(self, instruction: model.Instruction, number: int) -> list[str]:
        found: list[str] = []
        for name in sources_of(instruction):
            source = self.plan.stage_of(name, number)
            if source is not None:
                found += self._last_of(source)
        return found

    def _settle(self, plan: StagePlan) -> None:
        """Run a stage, and let those who wait for it know."""
        future = self._futures[plan.stage.index]
        try:
            future.set_result(self._stage(plan))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where it is waited for
            with self._lock:
                if self._error is None and not isinstance(error, Cancelled):
                    self._error = error
            self._note_failure(plan, error)
            future.set_exception(error)
            self.stop.set()

    def _note_failure(self, plan: StagePlan, error: BaseException) -> None:
        state = CANCELLED if isinstance(error, Cancelled) else FAILED
        first = self._first.get(plan.stage.index)
        steps = [*([first] if first else []), *self._steps.get(plan.stage.index, ())]
        named = error.detail.get("step") if isinstance(error, EngineError) else None
        for step in steps:
            if step.vertex.id == named or (step.started_at is not None and step.state == "started"):
                step.end(state, error=describe(error))

    def _stage(self, plan: StagePlan) -> Draft:
        try:
            draft = self._base(plan)
        except EngineError as error:
            raise located(error, plan.stage.location, self._first.get(plan.stage.index)) from error
        instructions = list(plan.stage.instructions)
        triggers = [onbuild(text, location=plan.stage.location) for text in draft.triggers]
        draft.config.pop("OnBuild", None)
        steps = self._steps[plan.stage.index]
        if triggers:
            steps = [*self._announce_triggers(plan, triggers), *steps]
        run = StageRun(self.build, plan, draft, steps)
        self.missing[plan.stage.index] = run.missing
        return run.run([*triggers, *instructions])

    def _announce_triggers(self, plan: StagePlan, triggers: list[model.Instruction]) -> list[Step]:
        number, before = plan.stage.index, self._base_id(plan)
        steps = []
        for position, instruction in enumerate((one for one in triggers if isinstance(one, STEPS)), 1):
            identifier = f"{number}.onbuild.{position}"
            text = f"ONBUILD {' '.join(instruction.original.split())}"
            steps.append(self.reporter.step(identifier, f"[{plan.called}] {text}", plan.called, before))
            before = [identifier]
        return steps

    def _base_id(self, plan: StagePlan) -> list[str]:
        first = self._first.get(plan.stage.index)
        if first is not None:
            return [first.vertex.id]
        return [] if plan.base_stage is None else self._last_of(plan.base_stage)

    def _base(self, plan: StagePlan) -> Draft:
        if plan.base_stage is not None:
            base = self._result(plan.base_stage)
            following = base.follow()
            following.config["OnBuild"] = base.triggers
            return following
        platform = plan.platform or self.platform
        if plan.base == SCRATCH:
            return Draft.scratch(platform)
        step = self._first[plan.stage.index]
        step.start()
        if plan.base in self.named:
            draft = self._of_directory(self.named[plan.base], platform)
            step.end(DONE)
            return draft
        name = self.build.spec.named_contexts.get(plan.base, plan.base).removeprefix(_IMAGE)
        known = [one.stage.name for one in self.plan.stages if one.stage.name]
        is_here = self.bases.is_here(name, platform)
        draft = self.bases.draft(name, platform, step, known)
        step.end(CACHED if is_here else DONE)
        return draft

    def _of_directory(self, tree: Tree, platform: Platform) -> Draft:
        """A context as a base: its files, and nothing else."""
        draft = Draft.scratch(platform)
        placing = Placing(
            destination="/", owner=None, mode=None, link=True, epoch=self.build.layering.epoch,
            cancelled=self.stop.is_set,
        )  # fmt: skip
        work = copy_step.work(Sources(tree=tree, patterns=("/",)), placing, self.build.known(tree), "context")
        made = self.build.layering.perform(work, (), lambda: None, use_cache=True)
        draft.add_layer(made.diff_id, "COPY / / # buildkit", made.created_at)
        return draft

    def _result(self, number: int) -> Draft:
        """What a stage has become, once it has. Raises what it ran into; `Cancelled`."""
        future = self._futures[number]
        while True:
            try:
                return future.result(_WAIT_SECONDS if not future.done() else None)
            except TimeoutError:
                if future.done():
                    continue
                self.stop.raise_if_set()

    # -- files --------------------------------------------------------------------------------------------------

    def tree_of(self, stage: int, name: str | None) -> Tree:
        """See `Build.tree_of`."""
        if name is None:
            return self.tree
        if name in self.named:
            return self.named[name]
        number = self.plan.stage_of(name, stage)
        if number is not None:
            if number not in self._futures:  # a trigger of a base image names a stage that nobody has asked for
                raise InvalidArgument(
                    f"stage {name} is read by a trigger (ONBUILD) alone: name it as the target's base"
                )
            return self._layers_tree(self._result(number), f"stage {name}")
        return self._layers_tree(self._image(name), f"image {name}")

    def _image(self, name: str) -> Draft:
        text = self.build.spec.named_contexts.get(name, name).removeprefix(_IMAGE)
        if text == SCRATCH:
            return Draft.scratch(self.platform)
        with self._lock:  # once for a build; others wait, and find it
            if text not in self._images:
                step = self.reporter.step(f"image.{len(self._images)}", f"[internal] image {text}", "")
                step.start()
                try:
                    is_here = self.bases.is_here(text, self.platform)
                    self._images[text] = self.bases.draft(text, self.platform, step)
                except BaseException as error:
                    step.end(CANCELLED if isinstance(error, Cancelled) else FAILED, error=describe(error))
                    raise
                step.end(CACHED if is_here else DONE)
            return self._images[text]

    def _layers_tree(self, draft: Draft, called: str) -> Tree:
        key = tuple(draft.layers)
        with self._lock:
            if key not in self._trees:
                self._trees[key] = self.build.layering.tree(draft.layers, called)
            return self._trees[key]


def _name(stage: str, position: int, total: int, text: str) -> str:
    shown = text if len(text) <= 500 else text[:500] + "…"
    return f"[{f'{stage} ' if stage else ''}{position}/{total}] {shown}"
