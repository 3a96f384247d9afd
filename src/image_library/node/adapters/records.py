"""The journal's records as JSON and back."""

from __future__ import annotations

import json
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from image_library.domain.conversion import Compression, Shape
from image_library.domain.guest_facts import GuestFacts
from image_library.domain.hardware import Hardware
from image_library.domain.image import Failure, ImageFormat
from image_library.domain.job import JobState
from image_library.domain.lineage import CapturedFrom, ConvertedFrom
from image_library.domain.progress import Progress
from image_library.domain.signature import SignatureKind, SignatureSource, SigningKey
from image_library.domain.store import Download, DownloadOrder, ImageFacts, PublishedImage
from image_library.domain.trust import Evidence, TrustLevel

Json = dict[str, Any]


def dump_download(download: Download) -> str:
    order, failure, published = download.order, download.failure, download.published
    return json.dumps(
        {
            "order": _order(order),
            "state": download.state.value,
            "done": download.progress.done,
            "total": download.progress.total,
            "failure": vars(failure) if failure else None,
            "published": _published(published) if published else None,
        }
    )


def load_download(text: str) -> Download:
    raw: Json = json.loads(text)
    return Download(
        order=_load_order(raw["order"]),
        state=JobState(raw["state"]),
        progress=Progress(done=raw["done"], total=raw["total"]),
        failure=Failure(**raw["failure"]) if raw["failure"] else None,
        published=_load_published(raw["published"]) if raw["published"] else None,
    )


def dump_published(image: PublishedImage) -> str:
    return json.dumps(_published(image))


def load_published(text: str) -> PublishedImage:
    return _load_published(json.loads(text))


def dump_source(source: ConvertedFrom) -> str:
    return json.dumps(_source(source))


def load_source(text: str) -> ConvertedFrom | None:
    """None where ``text`` is empty."""
    return _load_source(json.loads(text)) if text else None


def dump_facts(facts: ImageFacts) -> str:
    return json.dumps(_facts(facts))


# Thousands of files have the same few.
@lru_cache
def load_facts(text: str) -> ImageFacts:
    return _load_facts(json.loads(text))


def _order(order: DownloadOrder) -> Json:
    return {
        **vars(order),
        "format": order.format.value,
        "signature": _signature(order.signature) if order.signature else None,
        "wanted": _shape(order.wanted),
    }


def _load_order(raw: Json) -> DownloadOrder:
    signature = raw.get("signature")
    changed: Json = {
        "format": ImageFormat(raw["format"]),
        "signature": _load_signature(signature) if signature else None,
        "wanted": _load_shape(raw.get("wanted")),
    }
    return DownloadOrder(**{**raw, **changed})


def _signature(source: SignatureSource) -> Json:
    keys = [{**vars(k), "expires": k.expires.isoformat() if k.expires else None} for k in source.keys]
    return {"kind": source.kind.value, "url": source.url, "keys": keys}


def _load_signature(raw: Json) -> SignatureSource:
    keys: list[Json] = [
        {**key, "expires": date.fromisoformat(key["expires"]) if key["expires"] else None}
        for key in raw["keys"]
    ]
    return SignatureSource(
        kind=SignatureKind(raw["kind"]), url=raw["url"], keys=tuple(SigningKey(**key) for key in keys)
    )


def _published(image: PublishedImage) -> Json:
    return {
        **vars(image),
        "facts": _facts(image.facts),
        "evidence": _evidence(image.evidence),
        "published_at": image.published_at.isoformat(),
        "converted_from": _source(image.converted_from),
    }


def _load_published(raw: Json) -> PublishedImage:
    changed: Json = {
        "facts": _load_facts(raw["facts"]),
        "evidence": _load_evidence(raw["evidence"]),
        "published_at": datetime.fromisoformat(raw["published_at"]),
        "converted_from": _load_source(raw.get("converted_from")),
    }
    return PublishedImage(**{**raw, **changed})


def _shape(shape: Shape | None) -> Json | None:
    return {"format": shape.format.value, "compression": shape.compression.value} if shape else None


def _load_shape(raw: Json | None) -> Shape | None:
    if raw is None:
        return None
    return Shape(format=ImageFormat(raw["format"]), compression=Compression(raw["compression"]))


def _source(source: ConvertedFrom | None) -> Json | None:
    if source is None:
        return None
    return {
        **vars(source),
        "trust": source.trust.name.lower() if source.trust else None,
        "hardware": vars(source.hardware) if source.hardware else None,
        "captured": vars(source.captured) if source.captured else None,
    }


def _load_source(raw: Json | None) -> ConvertedFrom | None:
    if raw is None:
        return None
    known: Json = {
        **raw,
        "trust": TrustLevel[raw["trust"].upper()] if raw["trust"] else None,
        "hardware": _load_hardware(raw.get("hardware")),
        "captured": _load_captured(raw.get("captured")),
    }
    return ConvertedFrom(**known)


def _load_captured(raw: Json | None) -> CapturedFrom | None:
    if not raw:
        return None
    known: Json = {**raw, "left": tuple(raw["left"])}
    return CapturedFrom(**known)


def _load_hardware(raw: Json | None) -> Hardware | None:
    return Hardware(**raw) if raw else None


def _facts(facts: ImageFacts) -> Json:
    guest = vars(facts.guest) if facts.guest else None
    hardware = vars(facts.hardware) if facts.hardware else None
    return {**vars(facts), "format": facts.format.value, "guest": guest, "hardware": hardware}


def _load_facts(raw: Json) -> ImageFacts:
    known: Json = {
        **raw,
        "format": ImageFormat(raw["format"]),
        "guest": _load_guest(raw.get("guest")),
        "hardware": _load_hardware(raw.get("hardware")),
    }
    return ImageFacts(**known)


def _evidence(evidence: Evidence) -> Json:
    when = evidence.verified_at
    return {
        **vars(evidence),
        "level": evidence.level.name.lower(),
        "verified_at": when.isoformat() if when else None,
    }


def _load_evidence(raw: Json) -> Evidence:
    when = raw["verified_at"]
    changed: Json = {
        "level": TrustLevel[raw["level"].upper()],
        "verified_at": datetime.fromisoformat(when) if when else None,
    }
    return Evidence(**{**raw, **changed})


def _load_guest(raw: Json | None) -> GuestFacts | None:
    if raw is None:
        return None
    lists: Json = {name: tuple(raw[name]) for name in ("datasources", "firmware")}
    return GuestFacts(**{**raw, **lists})
