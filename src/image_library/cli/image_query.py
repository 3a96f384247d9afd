"""``images list --where KEY=VALUE``: words that people type as a request for images."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from protobuf.wkt import Timestamp

from image_library.cli.words import TRUST, state
from image_library.domain.errors import InvalidRequest, printable
from limiquantix.storage.v1.image_pb import ImageSpec, ImageStatus, ListImagesRequest, OsInfo

# Keys whose values are the request's own texts.
_TEXTS = {
    "name": "name",
    "name-prefix": "name_prefix",
    "name-contains": "name_contains",
    "search": "search",
    "distribution": "distribution",
    "version": "os_version",
    "arch": "architecture",
    "catalog": "catalog_id",
    "digest": "digest",
    "node": "node_id",
    "pool": "storage_pool_id",
    "project": "project_id",
    "usable-by": "usable_by_project",
}
# Keys that may be given several values, of which one must match.
_WORDS: dict[str, tuple[str, Mapping[str, int]]] = {
    "family": ("os_families", {state(family): family for family in OsInfo.OsFamily}),
    "format": ("formats", {state(form): form for form in ImageSpec.Format}),
    "phase": ("phases", {state(phase): phase for phase in ImageStatus.Phase}),
    "trust": ("trust_levels", {word: level for level, word in TRUST.items()}),
    "visibility": ("visibilities", {state(seen): seen for seen in ImageSpec.Visibility}),
}
_FLAGS = ("in-use", "support-ended", "protected", "deprecated", "templates")
_MOMENTS = ("created-after", "created-before")
_LABEL = "label."
KEYS = (*_TEXTS, *_WORDS, *_FLAGS, *_MOMENTS, f"{_LABEL}KEY")
_YES_OR_NO = {"yes": True, "true": True, "no": False, "false": False}


def image_query(
    conditions: Iterable[str],
    *,
    all_versions: bool = False,
    hidden: bool = False,
    order: str = "",
    node_ids: Callable[[], Mapping[str, str]] = dict,
) -> ListImagesRequest:
    """The request that all of these conditions make; ``node_ids`` gives nodes' ids by host name.

    Raises:
        InvalidRequest: a key is not known, a value is none of its key's, or a key is given twice.
    """
    fields: dict[str, Any] = {}
    for condition in conditions:
        key, equals, value = condition.partition("=")
        if not equals or not value:
            raise _refused(f"'{printable(condition)}' is not KEY=VALUE.")
        _add(fields, key.strip().lower() if not key.startswith(_LABEL) else key, value.strip())
    if "node_id" in fields:
        fields["node_id"] = node_ids().get(fields["node_id"], fields["node_id"])
    return ListImagesRequest(**fields, all_versions=all_versions, hidden_too=hidden, order_by=order)


def _add(fields: dict[str, Any], key: str, value: str) -> None:
    if key in _WORDS:
        name, words = _WORDS[key]
        fields.setdefault(name, []).extend(_word(key, word.strip(), words) for word in value.split(","))
        return
    if key.startswith(_LABEL) and key != _LABEL:
        name, read = "labels", {key.removeprefix(_LABEL): value}
        if not fields.get(name, {}).keys() & read.keys():
            fields[name] = {**fields.get(name, {}), **read}
            return
    else:
        name, read = _one(key, value)
    if name in fields:
        raise _refused(f"'{printable(key)}' is given twice.")
    fields[name] = read


def _one(key: str, value: str) -> tuple[str, Any]:
    """The request's field that the key means, and what it is to be."""
    if key in _TEXTS:
        return _TEXTS[key], value
    if key in _FLAGS:
        return key.replace("-", "_"), _word(key, value, _YES_OR_NO)
    if key in _MOMENTS:
        return key.replace("-", "_"), _moment(key, value)
    close = difflib.get_close_matches(key, KEYS, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    raise InvalidRequest(
        f"Images cannot be chosen by '{printable(key)}'.",
        remedy=f"{hint}The keys are {', '.join(KEYS)}.",
        field="where",
    )


def _word(key: str, value: str, words: Mapping[str, Any]) -> Any:
    if value.lower() not in words:
        raise _refused(f"'{printable(value)}' is no value for '{key}'.", f"Use {', '.join(words)}.")
    return words[value.lower()]


def _moment(key: str, value: str) -> Timestamp:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _refused(
            f"'{printable(value)}' is no value for '{key}'.",
            "Use a date such as 2026-01-31 or 2026-01-31T12:00Z.",
        ) from None
    return Timestamp.from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _refused(message: str, remedy: str = "") -> InvalidRequest:
    remedy = remedy or f"Write KEY=VALUE once for each key; the keys are {', '.join(KEYS)}."
    return InvalidRequest(message, remedy=remedy, field="where")
