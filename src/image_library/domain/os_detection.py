"""Which operating system a file holds, judged by its name alone. What a name does not say stays empty.

A distribution's word counts only where no letter touches it ("rocky8", but not "archive"), and its
release is the number bound to that word, never just any number: file names are full of dates,
build ids and disk numbers. Without such a number, a word or a codename counts only among words of
the trade ("noble-minimal-amd64", but not "noble-gas"). The rows are in ``distribution_names``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from image_library.domain.distribution_names import (
    ARCHITECTURES,
    BETWEEN_RELEASES,
    DISTRIBUTIONS,
    DOUBTED,
    EXTENSIONS,
    GAP,
    IGNITION,
    OF_THE_TRADE,
    Distribution,
    word_alone,
)
from image_library.domain.os_info import OsFamily, OsInfo, ProvisioningMethod

# "disco-2024" is a year of dancing.
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True)
class _Sighting:
    row: Distribution
    version: str
    # The name says the distribution and its release and nothing else.
    whole: bool
    # Neither a release nor the words beside it make it a distribution.
    doubtful: bool = False


def detect_os(filename: str) -> OsInfo:
    """What ``filename`` says about the operating system inside; folders and extensions say nothing.

    Never raises. A name that fits two distributions says neither.
    """
    stem = EXTENSIONS.sub("", filename.lower().replace("\\", "/").rpartition("/")[2])
    architecture = _architecture(stem)
    by_word = [sighting for row in DISTRIBUTIONS if (sighting := _by_word(row, stem))]
    sighting = by_word[0] if by_word else _by_codename(stem)
    if sighting is None or sighting.doubtful or len(by_word) > 1 or DOUBTED.search(stem):
        return OsInfo(architecture=architecture)
    row = sighting.row
    known = OsInfo(
        family=row.family,
        distribution=row.id,
        version="" if BETWEEN_RELEASES.search(stem) else sighting.version,
        architecture=architecture,
        default_user=row.default_user,
    )
    return _with_provisioning(known, sighting, stem)


def _architecture(stem: str) -> str:
    stated = [name for name, pattern in ARCHITECTURES.items() if pattern.search(stem)]
    return stated[0] if len(stated) == 1 else ""


def _by_word(row: Distribution, stem: str) -> _Sighting | None:
    words = list(row.word.finditer(stem))
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        gap = GAP.match(stem, word.end())
        if release := row.release.match(stem, gap.end() if gap else word.end()):
            found.setdefault(".".join(release.groups()), (word[0], release[0]))
    for pattern, before in () if found else row.bound:
        if match := pattern.search(stem):
            found.setdefault(before + (match[1] if pattern.groups else ""), (match[0],))
    if not found:
        return _by_name(row, stem, words[0][0]) if words else None
    if len(found) > 1:
        return _Sighting(row, "", whole=False)
    ((version, parts),) = found.items()
    return _Sighting(row, version, whole=_is_all(stem, *parts))


def _by_name(row: Distribution, stem: str, word: str) -> _Sighting:
    """The word stands there without a number; perhaps the release's name does."""
    releases = {**row.named, **row.codenames}
    names = _names_in(stem, releases)
    version = releases[names[0]] if len(names) == 1 else ""
    doubtful = not names and not _is_of_the_trade(stem, word)
    return _Sighting(row, version, whole=_is_all(stem, word, *names), doubtful=doubtful)


def _by_codename(stem: str) -> _Sighting | None:
    found = [(row, name) for row in DISTRIBUTIONS for name in _names_in(stem, row.codenames)]
    if len({row.id for row, _ in found}) != 1 or _YEAR.search(stem):
        return None
    if not _is_of_the_trade(stem, *(name for _, name in found)):
        return None
    row, name = found[0]
    return _Sighting(row, row.codenames[name] if len(found) == 1 else "", whole=_is_all(stem, name))


def _rest(stem: str, parts: Iterable[str]) -> str:
    for part in parts:
        stem = stem.replace(part, "", 1)
    return stem


def _is_all(stem: str, *parts: str) -> bool:
    """Whether the name is nothing but these parts and what separates them."""
    return not _rest(stem, parts).strip("-_. ")


def _is_of_the_trade(stem: str, *parts: str) -> bool:
    """Whether what else the name says is what names of images say."""
    words = re.split(r"[^a-z0-9]+", BETWEEN_RELEASES.sub("", _rest(stem, parts)))
    return all(OF_THE_TRADE.fullmatch(word) for word in words)


def _names_in(stem: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name in stem and word_alone(name).search(stem)]


def _with_provisioning(known: OsInfo, sighting: _Sighting, stem: str) -> OsInfo:
    row = sighting.row
    if row.no_cloud.search(stem):
        return replace(known, provisioning_method=ProvisioningMethod.NONE)
    if row.family is OsFamily.LINUX and IGNITION.search(stem):
        return replace(known, provisioning_method=ProvisioningMethod.IGNITION, default_user="")
    # "debian-12.qcow2" is how this product and its guide name a publisher's cloud image.
    if row.cloud.search(stem) or (sighting.whole and row.cloud_images):
        return replace(known, cloud_init_enabled=True, provisioning_method=ProvisioningMethod.CLOUD_INIT)
    return known
