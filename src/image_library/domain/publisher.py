"""What a publisher is asked about one catalogue variant, and what it says now.

The checksum file beside the image's URL (or a digest in the catalogue) decides what is verified. An index
only adds to it: the version and lasting URL of exactly the build with that digest; or, where the catalogue's
own URL names one build for ever, a newer one with its digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from image_library.domain.catalog import Variant
from image_library.domain.checksum import Digest
from image_library.domain.errors import IndexUnreadable
from image_library.domain.origin import shown_url
from image_library.domain.releases import Release, ReleaseIndex
from image_library.domain.signature import SignatureSource
from image_library.domain.trust import TrustLevel


@dataclass(frozen=True, kw_only=True)
class PublisherQuestion:
    """Either ``checksum_url`` or ``digest`` is given, as in the catalogue."""

    url: str
    checksum_algorithm: str
    checksum_url: str = ""
    # A pinned digest in lower-case hexadecimal.
    digest: str = ""
    index: ReleaseIndex | None = None
    # How the checksum file is signed: without a valid signature there is no answer.
    signature: SignatureSource | None = None

    @property
    def digest_source(self) -> str:
        """A digest that is given stands in the catalogue."""
        return ""

    @classmethod
    def about(cls, variant: Variant) -> PublisherQuestion:
        return cls(
            url=variant.url,
            checksum_algorithm=variant.checksum_algorithm,
            checksum_url=variant.checksum_url,
            digest=variant.digest,
            index=variant.index,
            signature=variant.signature,
        )


@dataclass(frozen=True, kw_only=True)
class PublisherAnswer:
    # What an image must have to be the newest, and where that is stated: "catalog" or a URL.
    digest: Digest
    level: TrustLevel
    source: str
    # Where its bytes are.
    url: str
    # The build with this digest; none where the index does not list it or there is no index.
    release: Release | None = None
    # Why the index did not help, in a sentence; empty where it did or there is none.
    note: str = ""
    # False where only the index could have told of something newer, and it did not help.
    complete: bool = True

    @property
    def version(self) -> str:
        """The publisher's own name for the build; empty where it is not known."""
        return self.release.version if self.release else ""

    @property
    def name(self) -> str:
        """Something to recognise the build by: its version, else the beginning of its digest."""
        return self.version or f"{self.digest.algorithm}:{self.digest.hex[:12]}…"

    def without_index(self, index: ReleaseIndex, why: str) -> PublisherAnswer:
        """This answer where the index could not be used, for the reason that a sentence gives."""
        return replace(self, note=why, complete=not index.leads)

    def with_index(self, index: ReleaseIndex, releases: Sequence[Release]) -> PublisherAnswer:
        """This answer and what the index adds to it. ``releases`` are sorted, newest first, at least one.

        Raises:
            IndexUnreadable: the index contradicts this answer.
        """
        if any(_contradicts(release, self) for release in releases):
            raise IndexUnreadable("It gives the image another digest than the checksum file.")
        newest = releases[0]
        if index.is_ahead(newest.url, of=self.url):
            if self.level is TrustLevel.SIGNED:
                # An index is not signed: it cannot replace what is.
                return self._signed_alone(newest)
            return PublisherAnswer(
                digest=newest.digest,
                level=TrustLevel.CHECKSUM,
                source=shown_url(index.url),
                url=newest.url,
                release=newest,
            )
        named = next((release for release in releases if release.digest == self.digest), None)
        note = "" if named else "The index does not list the build that is offered now."
        return replace(self, release=named, note=note)

    def _signed_alone(self, newest: Release) -> PublisherAnswer:
        note = f"The index lists {newest.version}, but only a newer catalog knows where that one is signed."
        return replace(self, note=note, complete=False)


def as_offered(variant: Variant, answer: PublisherAnswer | None) -> tuple[Variant, str]:
    """The variant as its publisher was heard to offer it, and where its digest is stated then.

    It differs only where the catalogue's URL names one build for ever and an index told of a newer one.
    """
    index = variant.index
    if variant.signature or answer is None or index is None or not index.is_ahead(answer.url, of=variant.url):
        return variant, ""
    offered = replace(
        variant,
        url=answer.url,
        checksum_url="",
        checksum_algorithm=answer.digest.algorithm,
        digest=answer.digest.hex,
    )
    return offered, answer.source


def _contradicts(release: Release, answer: PublisherAnswer) -> bool:
    same_file = release.url == answer.url and release.digest.algorithm == answer.digest.algorithm
    return same_file and release.digest != answer.digest
