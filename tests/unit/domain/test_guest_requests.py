"""What a hostile guest can write into its door's stream, and what is taken of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.guest_requests import LARGEST_BODY, LARGEST_HEAD, Refusal, Request, RequestReader
from image_library.domain.secret import Secret

FORM = "Content-Type: application/x-www-form-urlencoded"


def post(body: bytes = b"instance_id=i-1", *, token: str = "abc", more: str = "") -> bytes:
    head = (
        f"POST /{token} HTTP/1.1\r\nHost: 10.0.2.100\r\n{more}{FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def read(*pieces: bytes) -> list[Request | Refusal]:
    reader = RequestReader()
    return [came for piece in pieces for came in reader.read(piece)]


def test_a_form_that_is_posted_is_read_whole() -> None:
    assert read(post()) == [Request(token=Secret("abc"), body=b"instance_id=i-1")]


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_how_the_bytes_are_cut_makes_no_difference(size: int) -> None:
    data = post() + post(token="two")
    assert read(*(data[at : at + size] for at in range(0, len(data), size))) == [
        Request(token=Secret("abc"), body=b"instance_id=i-1"),
        Request(token=Secret("two"), body=b"instance_id=i-1"),
    ]


def test_a_request_does_not_print_its_token_or_its_body() -> None:
    (request,) = read(post())
    assert "abc" not in repr(request)
    assert "i-1" not in repr(request)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /abc HTTP/1.1\r\n\r\n", 405),
        (b"\x16\x03\x01\x02\x00", 405),
        (b"POST /a/b HTTP/1.1\r\n\r\n", 400),
        (b"POST /abc HTTP/2\r\n\r\n", 400),
        (b"POST /abc?x=1 HTTP/1.1\r\n\r\n", 400),
        (post(more="Content-Length: 3\r\n"), 400),
        (post(more="Two words: 3\r\n"), 400),
        (post(more="A: b\nContent-Length: 1\r\n"), 400),
        (post(more=" folded: 1\r\n"), 400),
        (post(more="Transfer-Encoding: chunked\r\n"), 501),
        (post(more="Expect: 100-continue\r\n"), 501),
        (post().replace(b"x-www-form-urlencoded", b"json"), 415),
        (post().replace(b"Content-Length: 15", b"X: 15"), 411),
        (post().replace(b"Content-Length: 15", b"Content-Length: -1"), 411),
        (post().replace(b"Content-Length: 15", b"Content-Length: +15"), 411),
        (post(b"x" * (LARGEST_BODY + 1)), 413),
        (post(more=f"A: {'b' * 1000}\r\n" + "".join(f"H{n}: {'b' * 900}\r\n" for n in range(5))), 431),
        (b"POST /abc HTTP/1.1\r\n" + b"x" * LARGEST_HEAD, 431),
    ],
)
def test_any_other_shape_is_refused_once_and_then_not_listened_to(data: bytes, status: int) -> None:
    assert read(data, post(), post()) == [Refusal(status=status)]


def test_after_a_refusal_a_guest_that_was_quiet_is_heard_again() -> None:
    reader = RequestReader()
    assert list(reader.read(b"nonsense")) == [Refusal(status=405)]
    assert reader.is_deaf
    reader.begin_anew()
    assert len(list(reader.read(post()))) == 1


def test_what_is_held_is_bounded_whatever_comes() -> None:
    reader = RequestReader()
    for _ in range(100):
        list(reader.read(b"POST /" + b"a" * LARGEST_HEAD))
    assert not reader.is_midway


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_no_bytes_make_it_stumble(pieces: list[bytes]) -> None:
    reader = RequestReader()
    for piece in pieces:
        for came in reader.read(b"POST /abc HTTP/1.1\r\n" + piece):
            assert isinstance(came, Request | Refusal)
        reader.begin_anew()
