from __future__ import annotations

import base64

import pytest

from image_library.domain.errors import InvalidPageToken, InvalidRequest
from image_library.domain.paging import Cursor
from image_library.wire.paging import PageTokens
from limiquantix.compute.v1.node_pb import ListNodesRequest
from limiquantix.storage.v1.image_pb import ListImagesRequest, ListJobsRequest

TOKENS = PageTokens(b"k" * 32)
CURSOR = Cursor(key=1_795_435_200_123_456, id="a:b")


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_page_sizes_are_bounded(asked: int, given: int) -> None:
    assert TOKENS.page_request(ListImagesRequest(page_size=asked)).size == given


def test_a_negative_page_size_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        TOKENS.page_request(ListImagesRequest(page_size=-1))
    assert refused.value.field == "page_size"


def test_a_token_leads_back_to_its_place() -> None:
    query = ListImagesRequest(labels={"a": "1", "b": "2"})
    token = TOKENS.token(CURSOR, query)
    turned = ListImagesRequest(labels={"b": "2", "a": "1"}, page_size=7, page_token=token)
    assert TOKENS.page_request(turned).after == CURSOR
    assert TOKENS.token(None, query) == ""
    named = Cursor(key='ubuntu: "24.04"', id="x")
    assert (
        TOKENS.page_request(ListImagesRequest(page_token=TOKENS.token(named, ListImagesRequest()))).after
        == named
    )


def test_the_token_lives_as_long_as_its_key() -> None:
    token = TOKENS.token(CURSOR, ListJobsRequest())
    assert PageTokens(b"k" * 32).page_request(ListJobsRequest(page_token=token)).after == CURSOR
    with pytest.raises(InvalidPageToken):
        PageTokens(b"x" * 32).page_request(ListJobsRequest(page_token=token))


def test_a_token_belongs_to_its_query() -> None:
    token = TOKENS.token(CURSOR, ListImagesRequest())
    for other in (
        ListImagesRequest(project_id="p", page_token=token),
        ListImagesRequest(labels={"a": "b"}, page_token=token),
        ListImagesRequest(order_by="name", page_token=token),
        ListJobsRequest(page_token=token),
        ListNodesRequest(page_token=token),
    ):
        with pytest.raises(InvalidPageToken):
            TOKENS.page_request(other)


def test_forged_tokens_are_refused() -> None:
    token = TOKENS.token(CURSOR, ListImagesRequest())
    raw = bytearray(base64.urlsafe_b64decode(token + "=="))
    for place in range(len(raw)):
        raw[place] ^= 1
        forged = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        with pytest.raises(InvalidPageToken):
            TOKENS.page_request(ListImagesRequest(page_token=forged))
        raw[place] ^= 1


@pytest.mark.parametrize("token", ["x", "====", "ünïcode", "a" * 5000, "AAAA", "A" * 40, " "])
def test_rubbish_is_refused(token: str) -> None:
    with pytest.raises(InvalidPageToken):
        TOKENS.page_request(ListImagesRequest(page_token=token))
