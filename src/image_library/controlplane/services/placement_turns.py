"""The turns of a placement: who fetches the first copy, who copies it now, and what the others wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from image_library.controlplane.ports.records import Records
from image_library.controlplane.services.image_copies import holders
from image_library.domain.image import Failure, Image
from image_library.domain.job import Job, JobKind, JobState
from image_library.domain.node import Node
from image_library.domain.placing import awaits_turn, first_copy_on, given_up, turn

_GONE = Failure(code="image.not_ready", message="No node has it any more.")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A placement as it is this moment."""

    # Of the placement: not begun yet, oldest first.
    waiting: tuple[Job, ...]
    # Of the placement: begun, on nodes that answer.
    running: int
    nodes: Mapping[str, Node]
    image: Image
    # Some node that answers has the image.
    to_be_had: bool
    # Live jobs that bring it from elsewhere, and those that failed since the placement began.
    firsts: tuple[Job, ...] = ()
    failed: tuple[Job, ...] = ()
    # Its publisher can be asked for it.
    fetchable: bool = False
    # The version that came instead, where a publisher had moved on.
    instead: Image | None = None

    def decided(self) -> Turns:
        """What is to be done now. An absent node keeps nobody from its turn."""
        awake = [job for job in self.waiting if self._answers(job)]
        words = {job.id: self._away(job) for job in self.waiting if not self._answers(job)}
        if self.to_be_had:
            room = max(0, self.waiting[0].at_a_time - self.running)
            words |= {job.id: turn(job.at_a_time) for job in awake[room:]}
            return Turns(begin=tuple(awake[:room]), words=words)
        if self.instead is not None:
            return Turns(move_to=self.instead)
        coming = [job for job in self.firsts if self._answers(job)]
        if coming:
            said = first_copy_on(self._name(coming[0].node_id))
            return Turns(words=words | {job.id: said for job in awake})
        if self.image.ready_placements:
            return Turns(words=words | {job.id: self._holders_away() for job in awake})
        return self._another_first(awake, words)

    def waits_for_absent(self, job: Job) -> bool:
        """Whether its own node is away, or everybody who has the image."""
        return not self._answers(job) or job.waiting_for == self._holders_away()

    def _another_first(self, awake: Sequence[Job], words: Mapping[str, str]) -> Turns:
        cause = given_up(self.failed)
        if cause is not None or not self.fetchable:
            return Turns(give_up=cause or next((j.failure for j in self.failed if j.failure), _GONE))
        return Turns(first=awake[0] if awake else None, words=words)

    def _answers(self, job: Job) -> bool:
        node = self.nodes.get(job.node_id)
        return node is not None and node.takes_images

    def _away(self, job: Job) -> str:
        node = self.nodes.get(job.node_id)
        if node is not None and node.is_ready and node.degraded is not None:
            return node.degraded.awaited(node.hostname)
        return f"node {self._name(job.node_id)}, which does not answer"

    def _name(self, node_id: str) -> str:
        node = self.nodes.get(node_id)
        return node.hostname if node else node_id

    def _holders_away(self) -> str:
        names = sorted(self._name(copy.node_id) for copy in self.image.ready_placements)
        return f"a copy: {', '.join(names[:3])} has one and does not answer"


@dataclass(frozen=True, kw_only=True)
class Turns:
    begin: tuple[Job, ...] = ()
    # The one that fetches from the publisher, as nobody else does.
    first: Job | None = None
    # What jobs wait for, by id.
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    # All that wait are for this version now.
    move_to: Image | None = None
    give_up: Failure | None = None


async def scene_of(records: Records, group: str, followed: frozenset[str]) -> Scene | None:
    """The placement; None when nobody waits any more. ``followed`` are jobs that have begun."""
    jobs = [job for job in await records.jobs.live() if job.group == group]
    waiting = tuple(job for job in jobs if awaits_turn(job) and job.id not in followed)
    image = await records.images.get(waiting[0].image_id) if waiting else None
    if not waiting or image is None:
        return None
    nodes = {node.id: node for node in await records.nodes.all()}
    awake = {node.id for node in nodes.values() if node.takes_images}
    queued = {job.id for job in waiting}
    begun = [job for job in jobs if job.id not in queued and job.node_id in awake]
    to_be_had = bool(await holders(records, image))
    scene = Scene(waiting=waiting, running=len(begun), nodes=nodes, image=image, to_be_had=to_be_had)
    return scene if to_be_had else await _with_sources(records, scene)


async def _with_sources(records: Records, scene: Scene) -> Scene:
    """The scene with all that could bring a first copy."""
    waiting, image = scene.waiting, scene.image
    jobs = await records.jobs.of_image(image.id)
    others = [job for job in jobs if job.kind.brings and job.kind is not JobKind.PLACE]
    began = min(job.created_at for job in waiting)
    order = await records.jobs.order(waiting[0].id)
    fetchable = order is not None and bool(order.url)
    return replace(
        scene,
        firsts=tuple(job for job in others if not job.state.ended),
        failed=tuple(j for j in others if j.state is JobState.FAILED and j.updated_at >= began),
        fetchable=fetchable,
        instead=await _instead(records, image) if fetchable else None,
    )


async def _instead(records: Records, image: Image) -> Image | None:
    """What the image's name points to now, where that is another version that can be had."""
    current = [i for i in await records.images.named(image.name, image.project_id) if i.id != image.id]
    return current[0] if current and await holders(records, current[0]) else None
