"""Whether a publisher has something newer than what is held, and which old versions may go.

``Finding`` and ``Landing`` are what is remembered of it: what was heard, and what is still to be done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from image_library.domain.checksum import Digest
from image_library.domain.errors import InvalidRequest
from image_library.domain.publisher import PublisherAnswer
from image_library.domain.releases import order_of

KEPT_VERSIONS = 3


class Freshness(Enum):
    UP_TO_DATE = "up_to_date"
    NEWER_AVAILABLE = "newer_available"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class HeldVersion:
    """One version that is held of a catalogue entry for one architecture."""

    id: str
    # All that are known of its bytes: the publisher's, and the stored file's own.
    digests: frozenset[Digest]
    # Of versions that it has replaced, whether or not they are still held.
    earlier: frozenset[str] = frozenset()
    imported_at: datetime
    # The publisher's own name for the build, where it is known.
    release: str = ""
    # The entry's name points to it.
    current: bool = False
    in_use: bool = False
    protected: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return self.release or f"the version of {self.imported_at:%Y-%m-%d}"


@dataclass(frozen=True, kw_only=True)
class RefreshReport:
    freshness: Freshness
    # What the publisher says; none while it is UNKNOWN because it could not be asked.
    answer: PublisherAnswer | None = None
    # Held already, though not current: the name moves, and nothing is fetched.
    held: HeldVersion | None = None
    # Why it is UNKNOWN, in a sentence.
    reason: str = ""
    # To be removed once the newer version is in, oldest first.
    prune: tuple[HeldVersion, ...] = ()

    def describe(self) -> str:
        """In one or more sentences."""
        return " ".join(filter(None, (self._finding(), self._note(), self._pruning())))

    def _finding(self) -> str:
        if self.answer is None or self.freshness is Freshness.UNKNOWN:
            return f"It cannot be told whether there is something newer: {self.reason}"
        offered = _offered(self.answer)
        if self.freshness is Freshness.UP_TO_DATE:
            return f"Up to date: {offered}."
        if self.held:
            return f"Newer, and here already: {offered}."
        return f"Newer: {offered}."

    def _note(self) -> str:
        # Where it is UNKNOWN, the reason says all.
        return self.answer.note if self.answer and self.freshness is not Freshness.UNKNOWN else ""

    def _pruning(self) -> str:
        if not self.prune:
            return ""
        names = ", ".join(version.name for version in self.prune)
        return f"Nothing uses {names}; to be removed."


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the publisher of one entry's image for one architecture was last heard to say."""

    catalog_id: str
    architecture: str
    asked_at: datetime
    # The last answer that there was; it may be older than ``asked_at``.
    answer: PublisherAnswer | None = None


@dataclass(frozen=True, kw_only=True)
class Landing:
    """What is to be done once a refresh's job has ended: old versions of the name go."""

    job_id: str
    name: str
    project_id: str
    keep: int


def judge_refresh(
    held: Sequence[HeldVersion], answer: PublisherAnswer | str, *, keep: int = KEPT_VERSIONS
) -> RefreshReport:
    """What a refresh would do. ``answer`` is a sentence where the publisher could not be asked: why.

    Of the versions that nothing uses the last ``keep`` stay, the current one and a newer one counted in.
    Versions that are in use or protected stay as well and do not count.

    Raises:
        InvalidRequest: ``keep`` is less than 1.
    """
    if keep < 1:
        raise InvalidRequest("At least one version is kept: the current one.", field="keep")
    if isinstance(answer, str):
        return RefreshReport(freshness=Freshness.UNKNOWN, reason=answer, prune=beyond(held, keep))
    current = next((version for version in held if version.current), None)
    same = [version for version in held if answer.digest in version.digests]
    if current and (reason := _why_unknown(current, same, answer)):
        prune = beyond(held, keep)
        return RefreshReport(freshness=Freshness.UNKNOWN, answer=answer, reason=reason, prune=prune)
    if current in same:
        return RefreshReport(freshness=Freshness.UP_TO_DATE, answer=answer, prune=beyond(held, keep))
    here = same[0] if same else None
    # By then the name points to the newer one.
    outdated = [version if version is here else replace(version, current=False) for version in held]
    prune = beyond(outdated, keep if here else keep - 1, wanted=here)
    return RefreshReport(freshness=Freshness.NEWER_AVAILABLE, answer=answer, held=here, prune=prune)


def _why_unknown(current: HeldVersion, same: Sequence[HeldVersion], answer: PublisherAnswer) -> str:
    """Why the answer does not tell whether there is something newer than ``current``; "" when it does.

    Going back is never newer: a mirror that fell behind looks just like a publisher who changed his mind.
    """
    if not answer.complete:
        return answer.note
    if current in same:
        return ""
    before = not same and str(answer.digest) in current.earlier
    if before or (same and same[0].imported_at < current.imported_at):
        return f"{_offered(answer)} is offered, which was here before {current.name}."
    if not same and not any(known.algorithm == answer.digest.algorithm for known in current.digests):
        return f"The publisher now gives {answer.digest.algorithm}, which is not known of {current.name}."
    if answer.version and current.release and order_of(answer.version) < order_of(current.release):
        return f"{_offered(answer)} is offered, which is older than {current.name}."
    return ""


def beyond(
    held: Sequence[HeldVersion], room: int, *, wanted: HeldVersion | None = None
) -> tuple[HeldVersion, ...]:
    """The unused versions beyond the last ``room``, oldest first; never the current or the wanted one."""
    kept = [version for version in held if version.current or version is wanted]
    others = [v for v in held if v not in kept and not v.in_use and not v.protected]
    others.sort(key=lambda version: (version.imported_at, version.id))
    return tuple(others[: max(0, len(others) - max(0, room - len(kept)))])


def _offered(answer: PublisherAnswer) -> str:
    """The version with its date, else the digest: something to recognise it by."""
    published = answer.release.published if answer.release else None
    return f"{answer.name}, published {published:%Y-%m-%d}" if published else answer.name
