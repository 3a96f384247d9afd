"""What a refresh does about one name, within one transaction: note, move the pointer, or begin a download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from image_library.controlplane.ports.clock import Clock, NewId
from image_library.controlplane.ports.records import Records
from image_library.controlplane.services.download_outcome import failure_of, next_version
from image_library.controlplane.services.download_plan import BECOMES, Planner
from image_library.controlplane.services.node_choice import choose_beside
from image_library.controlplane.services.publisher_desk import NOT_ASKED, Heard
from image_library.controlplane.services.refresh_spread import having
from image_library.controlplane.services.refresh_targets import Subject, Target
from image_library.controlplane.services.refresh_versions import held_versions
from image_library.controlplane.services.version_names import point_to, released
from image_library.domain.catalog import Variant
from image_library.domain.errors import NoNodeReady, StorageFull, StoreDegraded
from image_library.domain.image import Failure, Image, ImagePhase
from image_library.domain.job import Job
from image_library.domain.node import Node
from image_library.domain.publisher import PublisherAnswer
from image_library.domain.refresh import Finding, Freshness, Landing, RefreshReport, judge_refresh


@dataclass(frozen=True, kw_only=True)
class RefreshResult:
    """What came out for one name."""

    # What it points to, or will.
    image: Image
    report: RefreshReport
    # The job that fetches the newer version; None where nothing is to be fetched.
    job: Job | None = None
    # The job was made for this refresh and must be started.
    landing: Landing | None = None
    # Why the publisher's word is not known, or why nothing could be begun.
    failure: Failure | None = None
    # In sentences, beside the report.
    note: str = ""

    @property
    def message(self) -> str:
        trouble = self.failure.message if self.failure and self.report.answer else ""
        return " ".join(filter(None, (self.report.describe(), self.note, trouble)))


class RefreshMoves:
    def __init__(self, *, planner: Planner, clock: Clock, new_id: NewId) -> None:
        self._planner = planner
        self._clock = clock
        self._new_id = new_id

    async def act(
        self, records: Records, target: Target, heard: Heard | None, *, keep: int, dry_run: bool
    ) -> RefreshResult:
        """Judge, note what was learned, and begin what follows from it unless it is a dry run.

        Nothing was heard where nobody was asked because the image was not here.
        """
        if heard is None:
            return RefreshResult(image=target.image, report=_absent(target.image))
        await self._remember(records, target.subject, heard)
        named = await records.images.named(target.image.name, target.image.project_id)
        image = next(iter(named), None)
        if image is None or image.phase is not ImagePhase.READY:
            return RefreshResult(image=image or target.image, report=_absent(image or target.image))
        versions = await held_versions(records, image.name, image.project_id)
        known = heard if isinstance(heard, PublisherAnswer) else heard.message
        report = judge_refresh(versions, known, keep=keep)
        image = await self._marked(records, image, report)
        result = RefreshResult(
            image=image, report=report, failure=heard if isinstance(heard, Failure) else None
        )
        if dry_run or report.freshness is Freshness.UNKNOWN:
            return result
        if report.freshness is Freshness.UP_TO_DATE:
            await self._drop_drafts(records, image)
            return result
        return await self._advance(records, target, result, keep=keep)

    async def _remember(self, records: Records, subject: Subject, heard: Heard) -> None:
        if isinstance(heard, Failure) and heard.code in NOT_ASKED:
            return
        before = await records.refreshes.finding(*subject)
        answer = heard if isinstance(heard, PublisherAnswer) else before.answer if before else None
        catalog_id, architecture = subject
        await records.refreshes.found(
            Finding(
                catalog_id=catalog_id,
                architecture=architecture,
                asked_at=self._clock.now(),
                answer=answer,
            )
        )

    async def _marked(self, records: Records, image: Image, report: RefreshReport) -> Image:
        """The image, saved with what was learned of it, its older versions with their builds' names."""
        for version in await records.images.versions(image.name, image.project_id):
            marked = await released(records, version)
            if version.id == image.id:
                marked = image = marked.evolve(newer=_newer(marked, report))
            if marked != version:
                await records.images.save(marked)
        return image

    async def _drop_drafts(self, records: Records, image: Image) -> None:
        """Forget versions that were begun and came to nothing: what is here is the newest."""
        for draft in await records.images.versions(image.name, image.project_id):
            if _is_draft(draft) and not await _live_job(records, [draft]):
                await records.images.remove(draft.id)

    async def _advance(
        self, records: Records, target: Target, result: RefreshResult, *, keep: int
    ) -> RefreshResult:
        image, held, answer = result.image, result.report.held, result.report.answer
        versions = await records.images.versions(image.name, image.project_id)
        running = await _live_job(records, [v for v in versions if v.version > image.version])
        if running:
            return replace(result, job=running, note="It is being fetched already.")
        there = next((v for v in versions if held and v.id == held.id), None)
        if there and there.ready_placements:
            moved = await point_to(records, there)
            await records.images.save(moved)
            return replace(result, image=moved, note="The name points to it now.")
        if answer is None or target.variant is None:
            return result
        draft = there or self._draft(versions, answer)
        return await self._begin(records, target.variant, result, draft=draft, keep=keep)

    def _draft(self, versions: Sequence[Image], answer: PublisherAnswer) -> Image:
        """The next version; one that was begun and came to nothing is gone on with."""
        now, latest = self._clock.now(), versions[0]
        draft = latest if _is_draft(latest) else next_version(latest, version_id=self._new_id(), now=now)
        return draft.evolve(
            phase=ImagePhase.PENDING,
            release=answer.version,
            format=BECOMES.format,
            failure=None,
            updated_at=now,
        )

    async def _begin(
        self, records: Records, variant: Variant, result: RefreshResult, *, draft: Image, keep: int
    ) -> RefreshResult:
        answer = result.report.answer
        assert answer is not None
        try:
            node = await choose_beside(records, result.image, _size(answer, variant))
        except (NoNodeReady, StorageFull, StoreDegraded) as error:
            return replace(result, failure=failure_of(error))
        plan = await self._planner.begin(records, draft, variant, node=node, answer=answer)
        landing = Landing(job_id=plan.job.id, name=draft.name, project_id=draft.project_id, keep=keep)
        await records.refreshes.expect(landing)
        note = await _others(records, result.image, node)
        return replace(result, image=plan.image, job=plan.job, landing=landing, note=note)


def _size(answer: PublisherAnswer, variant: Variant) -> int:
    return (answer.release.size_bytes if answer.release else 0) or variant.size_bytes


def _newer(image: Image, report: RefreshReport) -> str:
    """What to remember as newer; while it is unknown, what was known before stands."""
    if report.freshness is Freshness.UNKNOWN or report.answer is None:
        return image.newer
    return report.answer.name if report.freshness is Freshness.NEWER_AVAILABLE else ""


def _is_draft(version: Image) -> bool:
    return not version.digest and not version.current and version.phase is not ImagePhase.DELETING


async def _live_job(records: Records, versions: Sequence[Image]) -> Job | None:
    ids = {version.id for version in versions}
    live = await records.jobs.live()
    return next((job for job in live if job.kind.brings and job.image_id in ids), None)


async def _others(records: Records, image: Image, node: Node) -> str:
    """What about the other nodes that have the name, in a sentence."""
    nodes = [other.hostname for other in await having(records, image) if other.id != node.id]
    return f"It goes to {node.hostname}, and from there to {', '.join(nodes)}." if nodes else ""


def _absent(image: Image) -> RefreshReport:
    coming = image.phase in (ImagePhase.PENDING, ImagePhase.DOWNLOADING, ImagePhase.CONVERTING)
    why = "it is being fetched" if coming else "no node has it"
    return RefreshReport(freshness=Freshness.UNKNOWN, reason=f"'{image.name}' is not here: {why}.")
