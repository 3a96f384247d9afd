from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.cli.console import Harmless


def harmless(*pieces: bytes) -> str:
    console = Harmless()
    return "".join(console.feed(piece) for piece in pieces) + console.finish()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"login: \r\n", "login: \r\n"),
        (b"\x1b[0;32m  OK  \x1b[0m", "\x1b[0;32m  OK  \x1b[0m"),
        (b"\x1b[2J\x1b[1;1Hx", "x"),
        (b"\x1b]0;title\x07x", "x"),
        (b"\x1b]52;c;aGk=\x1b\\x", "x"),
        (b"\x1bP$q\x1b\\x", "x"),
        (b"\x1b[6nx", "x"),
        (b"\x1bcx", "x"),
        (b"\x1b[?1049hx", "x"),
        (b"a\x08b\x07c\x00d", "abcd"),
        ("\x9b2Jx".encode(), "2Jx"),
        (b"tab\tend\n", "tab\tend\n"),
        ("Grüße".encode(), "Grüße"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"over\rwritten", "overwritten"),
        (b"cut \x1b[3", "cut 3"),
    ],
)
def test_only_text_and_colours_pass(raw: bytes, shown: str) -> None:
    assert harmless(raw) == shown


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=200))
def test_where_a_stream_is_cut_makes_no_difference_to_safety(raw: bytes, cut: int) -> None:
    shown = harmless(raw[:cut], raw[cut:])
    for sequence in shown.split("\x1b")[1:]:
        assert sequence.startswith("[")
        assert sequence.lstrip("[0123456789;:").startswith("m")


@given(
    st.lists(
        st.sampled_from([b"a", b"\x1b", b"[", b"3", b"1m", b"]0;", b"\x07", b"\r", b"\n", b"\xc3", b"\xbc"])
    )
)
def test_pieces_and_the_whole_show_the_same(pieces: list[bytes]) -> None:
    assert harmless(*pieces) == harmless(b"".join(pieces))
