"""What may go wrong at a source, row by row of the list of faults, and what has to come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.node_images import Qcow2
from tests.support import mirror_faults as f

Faults = tuple[f.Fault, ...]


@dataclass(frozen=True)
class Row:
    name: str
    # From the file's size and URL.
    faults: Callable[[int, str], Faults]
    # take, resume, restart, wait, or "fail CODE": with a digest, and where none is known.
    proved: str
    unproved: str


def cut(size: int, *then: f.Fault) -> Faults:
    """The first answer breaks off in the middle, slowly enough for its bytes to have been taken."""
    return (f.CutAfter(size // 2, times=1), f.Throttle(size * 5, times=1), *then)


def row(name: str, faults: Faults | Callable[[int], Faults], proved: str, unproved: str = "") -> Row:
    def made(size: int, _: str) -> Faults:
        return faults(size) if callable(faults) else faults

    return Row(name, made, proved, unproved or proved)


def after_cut(name: str, fault: f.Fault | Callable[[int], f.Fault], proved: str, unproved: str = "") -> Row:
    def made(size: int) -> Faults:
        return cut(size, fault(size) if callable(fault) else fault)

    return row(name, made, proved, unproved)


def once(name: str, fault: f.Fault, proved: str = "wait", unproved: str = "") -> Row:
    return row(name, (fault,), proved, unproved)


def redirected(name: str, location: str, proved: str) -> Row:
    return row(name, (f.Redirect(location),), proved)


_CODES = {401: "refused", 403: "refused", 404: "not_found", 410: "not_found"}
_SENSELESS = ("-5", "soon", "1000000000", "Thu, 01 Jan 1970 00:00:00 GMT", "0", "1.5", "\x01")
_LENGTHS = ("-1", "abc", "9223372036854775808", "1e6", "0x10", "5, 6", "5\r\nContent-Length: 6", "+5")
# Nobody can tell that they are not what they should be; they are called unverified.
_OTHER = "other bytes"
_MISMATCH = "fail verify.digest_mismatch"

ROWS: tuple[Row, ...] = (
    row("F15 cut in the middle", cut, "resume"),
    row("F15 cut before the first byte", (f.CutAfter(0, times=1),), "wait"),
    row(
        "F15 cut before the last byte",
        lambda size: (f.CutAfter(size - 1, times=1), f.Throttle(size * 5, times=1)),
        "resume",
    ),
    row(
        "F15 cut twice",
        lambda size: (*cut(size), f.CutAfter(size // 4, times=1, skip=1), f.Throttle(size * 5, times=2)),
        "resume",
    ),
    row("F15 closed without a word", (f.Drop(times=1),), "wait"),
    row(
        "F15 cut without a length",
        lambda size: cut(size, f.NoLength(times=1)),
        "restart",
        "fail import.bad_length",
    ),
    row(
        "F15 rest cut without a length",
        lambda size: cut(size, f.CutAfter(size // 4, times=1, skip=1), f.NoLength(times=1, skip=1)),
        "resume",
    ),
    row("F15 chunked and whole", (f.Chunked(),), "take"),
    row("F15 chunked and cut", lambda size: cut(size, f.Chunked()), "restart"),
    row("F15 a chunk that is none", (f.Chunked(broken=True, times=1),), "resume"),
    row(
        "F15 cut each time",
        lambda size: (f.CutAfter(size // 16), f.Throttle(size * 5)),
        "fail import.unreachable",
    ),
    row("F15 never a word", (f.Drop(),), "fail import.unreachable"),
    *(
        row(f"F16 length {n}", (f.WrongLength(text),), "fail import.bad_length")
        for n, text in enumerate(_LENGTHS)
    ),
    row(
        "F16 longer than it is, once",
        lambda size: (f.WrongLength(f"{size + 9}", times=1), f.Throttle(size * 5, times=1)),
        "resume",
    ),
    row(
        "F16 shorter than it is",
        lambda size: (f.WrongLength(f"{size - 9}"),),
        _MISMATCH,
        _OTHER,
    ),
    row("F16 more bytes than it says", (f.LongerBody(),), "take"),
    row(
        "F16 rest longer than the total",
        lambda size: cut(size, f.NoLength(times=1, skip=1), f.LongerBody(times=1, skip=1)),
        "fail import.size_exceeded",
    ),
    row("F17 no ranges", lambda size: cut(size, f.IgnoreRange()), "restart"),
    after_cut("F18 range begins later", f.WrongContentRange(1, times=1, skip=1), "restart"),
    after_cut("F18 range begins earlier", f.WrongContentRange(-1, times=1, skip=1), "restart"),
    after_cut(
        "F18 begins at the wrong place and ends at the right one",
        lambda size: f.Header("Content-Range", f"bytes 4096-{size - 1}/{size}", times=1, skip=1),
        "restart",
    ),
    after_cut("F18 greater total", lambda size: f.WrongTotal(size + 1, times=1, skip=1), "restart"),
    after_cut("F18 smaller total", lambda size: f.WrongTotal(size - 1, times=1, skip=1), "restart"),
    after_cut("F18 no Content-Range", f.Header("Content-Range", None, times=1, skip=1), "restart"),
    after_cut("F18 Content-Range *", f.Header("Content-Range", "bytes */*", times=1, skip=1), "restart"),
    after_cut("F18 other unit", f.Header("Content-Range", "items 1-2/3", times=1, skip=1), "restart"),
    after_cut(
        "F18 multipart",
        f.Header("Content-Type", "multipart/byteranges; boundary=x", times=1, skip=1),
        "resume",
    ),
    after_cut(
        "F18 only some of the rest", lambda size: f.Part(size // 2, size - 9, times=1, skip=1), "restart"
    ),
    once("F18 a part that nobody asked for", f.Part(0, 1000, times=1), "restart"),
    row("F18 nothing but parts", (f.Part(0, 1000),), "fail import.bad_length"),
    row("F19 ETag changes", lambda size: cut(size, f.ChangedETag()), "restart"),
    row("F19 weak ETag", lambda size: cut(size, f.WeakETag()), "resume", "restart"),
    row("F19 no validator", lambda size: cut(size, f.NoValidators()), "resume", "restart"),
    row("F19 If-Range ignored", lambda size: cut(size, f.IgnoreIfRange()), "resume"),
    row(
        "F19 If-Range ignored and ETag changes",
        lambda size: cut(size, f.ChangedETag(), f.IgnoreIfRange()),
        "restart",
    ),
    after_cut("F21 416 for the rest", f.Status(416, times=1, skip=1), "restart"),
    after_cut(
        "F21 416 of another size", f.Header("Content-Range", "bytes */7", 416, times=1, skip=1), "resume"
    ),
    once("F22 429", f.Status(429, times=1)),
    once("F22 503", f.Status(503, times=1)),
    once("F22 429 in a second", f.Status(429, retry_after="1", times=1)),
    *(once(f"F22 senseless wait {n}", f.Status(503, text, times=1)) for n, text in enumerate(_SENSELESS)),
    *(
        row(f"F23 {code}", (f.Status(code),), f"fail import.{_CODES.get(code, 'refused')}")
        for code in (400, 401, 403, 404, 405, 406, 407, 410, 451)
    ),
    *(once(f"F24 {code} once", f.Status(code, times=1)) for code in (408, 425, 500, 502, 504, 507)),
    row("F24 500 always", (f.Status(500),), "fail import.unreachable"),
    row(
        "F24 reset", lambda size: (f.CutAfter(size // 2, times=1, reset=True), f.Throttle(size * 5)), "resume"
    ),
    after_cut("F24 500 for the rest", f.Status(500, times=1, skip=1), "resume"),
    row("F25 stalls in the middle", lambda size: (f.StallAfter(size // 2, times=1),), "resume"),
    row("F25 stalls before the last byte", lambda size: (f.StallAfter(size - 1, times=1),), "resume"),
    row("F25 a byte now and then", (f.Trickle(times=1),), "resume"),
    row("F25 never answers, once", (f.Silent(times=1),), "wait"),
    row("F26 one bit, once", lambda size: (f.Corrupt(size // 2, times=1),), "restart", _OTHER),
    row("F26 one bit, always", lambda size: (f.Corrupt(size // 2),), _MISMATCH, _OTHER),
    row("F26 captive portal", (f.Html(),), "fail image.not_an_image"),
    row("F26 an empty file", (f.Replace(b""),), "fail image.not_an_image"),
    # It is unpacked, and is the image then; but not the bytes that the digest is of.
    row("F26 compressed", (f.Gzip(),), _MISMATCH, "take"),
    redirected("F27 metadata service", "https://169.254.169.254/latest", "fail import.address_denied"),
    redirected("F27 private address", "https://10.0.0.1/x", "fail import.address_denied"),
    redirected("F27 file", "file:///etc/passwd", "fail import.redirect_denied"),
    redirected("F27 user", "https://u:p@example.org/x", "fail import.redirect_denied"),
    redirected("F27 nowhere", "", "fail import.redirect_denied"),
    redirected("F27 backslashes", "https:\\\\evil\\x", "fail import.redirect_denied"),
    Row(
        "F27 to itself",
        lambda _, url: (f.Redirect(url),),
        "fail import.redirect_denied",
        "fail import.redirect_denied",
    ),
    once("F30 a stale copy, once", f.Replace(Qcow2().file(400_000, seed=3), times=1), "restart", _OTHER),
    once("F16 garbage for a head", f.Raw(b"\x00\xff" * 50, times=1)),
    once("F16 a head that never ends", f.Raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000, times=1)),
    once("F16 HTTP/0.9", f.Raw(b"hello", times=1)),
    once("F16 half a head", f.Raw(b"HTTP/1.1 200 OK\r\nContent-Le", times=1)),
    row("F23 no content", (f.Raw(b"HTTP/1.1 204 No Content\r\n\r\n"),), "fail import.refused"),
    row("F23 not modified", (f.Raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"),), "fail import.refused"),
)
