"""Raw user-data: judged as text, told apart by its first line, and put beside our own as MIME parts.

The rule that ``docs/cloud-init.md`` states for both together lives here: ours is the first part, the
caller's the second, and its Merge-Type lets lists append and the caller's strings win. What that
merge type would keep of ours although the caller set it too is taken out of ours (``give_way``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from email.generator import BytesGenerator
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from io import BytesIO
from typing import Any

from image_library.domain.errors import InvalidUserData

LARGEST_DOCUMENT = 256 * 1024
MERGE_TYPE = "list(append)+dict(no_replace,recurse_list,recurse_str)+str()"
CLOUD_CONFIG = "text/cloud-config"
_MERGE_HEADERS = ("Merge-Type", "X-Merge-Type")

# First lines that cloud-init knows, the longer before those that they start with.
_PART_TYPES = (
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", CLOUD_CONFIG),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#part-handler", "text/part-handler"),
    ("#!", "text/x-shellscript"),
    # Cloudbase-Init's: "#ps1" and "#ps1_sysnative".
    ("#ps1", "text/x-shellscript"),
)
# cloud-init's own pattern, in any case.
_TEMPLATE = re.compile(r"##\s*template:\s*jinja", re.IGNORECASE)
# Of one host: distributions differ in which of the two they take where the one is ours and the other theirs.
_NAMES = frozenset({"hostname", "fqdn", "prefer_fqdn_over_hostname"})
_MULTIPART = ("content-type:", "mime-version:")


def checked_text(text: str, *, field: str) -> str:
    """``text`` if it can be a file on a seed: UTF-8, no NUL, at most 256 KiB.

    Raises:
        InvalidUserData: it cannot.
    """
    if "\0" in text:
        raise _refused(f"{field} contains a NUL character.", field)
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise _refused(f"{field} is not valid Unicode text.", field) from None
    if size > LARGEST_DOCUMENT:
        raise InvalidUserData(
            f"{field} has {size} bytes; at most {LARGEST_DOCUMENT} fit on a seed.",
            remedy="Let the guest fetch large files itself, for example with #include.",
            field=field,
        )
    return text


def is_template(text: str) -> bool:
    """Whether the guest would fill it in as a jinja template, by its first line or a part's."""
    if _is_multipart(text):
        message = message_from_bytes(text.lstrip().encode())
        return message.is_multipart() and any(is_template(_text_of(leaf)) for leaf in _leaves(message))
    return bool(_TEMPLATE.match(text.lstrip()))


def is_known_kind(text: str) -> bool:
    """Whether cloud-init would do anything with it, by its first line."""
    return bool(_is_multipart(text) or is_template(text) or _part_type(text))


def combine(ours: str, theirs: str) -> str:
    """Both as one MIME multipart document, each byte of them kept.

    Raises:
        InvalidUserData: theirs is of no kind that cloud-init takes as a part.
    """
    their_part = _their_part(theirs)
    kept = [ours.encode(), *_payloads(their_part)]
    boundary = _boundary(ours, theirs)
    whole = MIMEMultipart(
        boundary=boundary, _subparts=[_part(ours, CLOUD_CONFIG, "limiquantix.yaml"), their_part]
    )
    written = _written(whole)
    if _payloads(message_from_bytes(written)) != kept:
        raise _refused("The user-data cannot be carried as a MIME part unchanged.")
    return checked_text(written.decode("utf-8"), field="user_data")


def append(first: str, second: str) -> str:
    """Two documents of any kind that cloud-init takes, as parts of one, each byte of them kept.

    Raises:
        InvalidUserData: one is of no such kind.
    """
    parts = [_their_part(first), _their_part(second)]
    kept = [payload for part in parts for payload in _payloads(part)]
    written = _written(MIMEMultipart(boundary=_boundary(first, second), _subparts=parts))
    if _payloads(message_from_bytes(written)) != kept:
        raise _refused("The user-data cannot be carried as a MIME part unchanged.")
    return checked_text(written.decode("utf-8"), field="user_data")


def cloud_configs(theirs: str) -> tuple[str, ...]:
    """The text of every #cloud-config in ``theirs``, which may be one itself or a multipart of several."""
    leaves = _leaves(_their_part(theirs))
    return tuple(_text_of(leaf) for leaf in leaves if _kind_of(leaf) == CLOUD_CONFIG)


def give_way(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Ours without what the caller's own cloud-config replaces.

    Lists stay, for they append. Everything else goes: the merge type keeps the first part's value
    where the second's is true, false, a number or of another kind.
    """
    gone = {*theirs, *(_NAMES if _NAMES & theirs.keys() else ())}
    return {
        key: value
        for key, value in ours.items()
        if key not in gone or (isinstance(value, list) and isinstance(theirs.get(key), list))
    }


def _refused(sentence: str, field: str = "user_data") -> InvalidUserData:
    return InvalidUserData(sentence, field=field)


def _is_multipart(text: str) -> bool:
    return text.lstrip().lower().startswith(_MULTIPART)


def _part_type(text: str) -> str | None:
    """The MIME type that cloud-init gives to a part by its first line; None where it knows none."""
    start = text.lstrip().lower()
    return next((kind for prefix, kind in _PART_TYPES if start.startswith(prefix)), None)


def _their_part(theirs: str) -> Message:
    if is_template(theirs):
        raise InvalidUserData(
            "A jinja template cannot be combined with the other fields.",
            remedy="Give the template alone, or plain #cloud-config together with the fields.",
            field="user_data",
        )
    if _is_multipart(theirs):
        return _their_multipart(theirs)
    kind = _part_type(theirs)
    if kind is None:
        raise InvalidUserData(
            "The user-data's first line is none that cloud-init knows.",
            remedy="Start it with #cloud-config, #!, #include, #cloud-boothook or a MIME header.",
            field="user_data",
        )
    part = _part(theirs, kind, "user-data")
    if kind == CLOUD_CONFIG:
        part["Merge-Type"] = MERGE_TYPE
    return part


def _their_multipart(theirs: str) -> Message:
    """Theirs as a part that has parts; each cloud-config in it gets the merge type if it names none."""
    message = message_from_bytes(theirs.lstrip().encode())
    if not message.is_multipart() or message.defects:
        raise _refused("The user-data looks like a MIME multipart document but cannot be read as one.")
    for leaf in _leaves(message):
        if leaf.defects:
            raise _refused("A part of the user-data's MIME document cannot be read.")
        if _kind_of(leaf) == CLOUD_CONFIG and not any(name in leaf for name in _MERGE_HEADERS):
            leaf["Merge-Type"] = MERGE_TYPE
    return message


def _kind_of(leaf: Message) -> str:
    """The part's declared type, or by its first line where it says nothing definite, as cloud-init does."""
    declared = leaf.get_content_type()
    if declared in ("text/plain", "text/x-not-multipart", "application/octet-stream"):
        return _part_type(_text_of(leaf)) or declared
    return declared


def _text_of(leaf: Message) -> str:
    return _payload(leaf).decode("utf-8", errors="replace")


def _part(text: str, kind: str, filename: str) -> MIMEBase:
    """Plain where a mail program would not touch it, base64 otherwise."""
    plain = text.isascii() and "\r" not in text and all(len(line) < 990 for line in text.split("\n"))
    part = MIMEText(text, kind.removeprefix("text/"), "us-ascii" if plain else "utf-8")
    part.add_header("Content-Disposition", "attachment", filename=filename)
    return part


def _boundary(*texts: str) -> str:
    """A line that is in none of the texts; the same texts always get the same one."""
    seed = "\n".join(texts).encode()
    while True:
        seed = hashlib.sha256(seed).hexdigest().encode()
        boundary = f"==limiquantix-{seed[:24].decode()}=="
        if not any(boundary in text for text in texts):
            return boundary


def _written(message: Message) -> bytes:
    written = BytesIO()
    # Without the first setting a line that starts with "From " would get a ">" before it.
    BytesGenerator(written, mangle_from_=False, maxheaderlen=0).flatten(message)
    return written.getvalue()


def _leaves(message: Message) -> Iterator[Message]:
    return (part for part in message.walk() if not part.is_multipart())


def _payload(leaf: Message) -> bytes:
    payload = leaf.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _payloads(message: Message) -> list[bytes]:
    return [_payload(leaf) for leaf in _leaves(message)]
