"""Good images with a few bytes changed, without copying them: for feeding parsers what nobody thought of."""

from __future__ import annotations

import random
from dataclasses import dataclass

from image_library.domain.image import ImageFormat
from tests.support.corpus import good
from tests.support.corpus.hostile_qcow2 import snapshots
from tests.support.corpus.patching import patched

_NUMBERS = (0, 1, 2, 7, 8, 63, 64, 65, 127, 128, 255, 256, 511, 512, 513, 4095, 4096, 65535, 65536, 1 << 20)
_EDGES = tuple((1 << bits) + more for bits in (15, 16, 31, 32, 40, 52, 55, 62, 63) for more in (-1, 0, 1))
_TEXTS = (
    b"/etc/shadow",
    b"parentFileNameHint=",
    b'RW 8 FLAT "/x" 0\n',
    b"conectix",
    b"QFI\xfb",
    b"CD001",
    b"KDMV",
    b"ustar",
    b"\x55\xaa",
    b"<!DOCTYPE x>",
)


@dataclass(frozen=True, kw_only=True)
class Stock:
    """An image to begin with, and the places (first byte, one after the last) that are worth changing."""

    data: bytes
    format: ImageFormat
    places: tuple[tuple[int, int], ...]
    # How often it is taken.
    weight: int


class Mutant:
    """Its bytes are ``stock``'s, with a few others laid over them; it may end early."""

    def __init__(self, stock: Stock, changes: tuple[tuple[int, bytes], ...], size: int) -> None:
        self.stock = stock
        self.changes = changes
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        data = self.stock.data[offset : min(offset + length, self.size)]
        for at, new in self.changes:
            if at < offset + len(data) and at + len(new) > offset:
                made = bytearray(data)
                begin = max(at - offset, 0)
                part = new[max(offset - at, 0) :][: len(made) - begin]
                made[begin : begin + len(part)] = part
                data = bytes(made)
        return data

    def whole(self) -> bytes:
        return self.read(0, self.size)


def mutant(chance: random.Random, stocks: tuple[Stock, ...]) -> Mutant:
    stock = chance.choices(stocks, [stock.weight for stock in stocks])[0]
    changes = tuple(_change(chance, stock) for _ in range(chance.randint(1, 4)))
    size = len(stock.data)
    if chance.random() < 0.1:
        size = chance.randrange(size)
    return Mutant(stock, _summed(chance, stock, changes), size)


def _change(chance: random.Random, stock: Stock) -> tuple[int, bytes]:
    begin, end = chance.choice(stock.places)
    at = chance.randrange(begin, end)
    kind = chance.random()
    if kind < 0.35:
        new = bytes([chance.randrange(256)])
    elif kind < 0.45:
        new = chance.choice(_TEXTS)
    else:
        number = chance.choice(_NUMBERS if chance.random() < 0.6 else _EDGES)
        width = chance.choice((2, 4, 8))
        at -= at % width if chance.random() < 0.8 else 0
        order = "big" if chance.random() < 0.5 else "little"
        new = (number & ((1 << 8 * width) - 1)).to_bytes(width, order)
    return at, new[: len(stock.data) - at]


def _summed(
    chance: random.Random, stock: Stock, changes: tuple[tuple[int, bytes], ...]
) -> tuple[tuple[int, bytes], ...]:
    """With checksums that are right again in most cases: what lies behind them is to be reached too."""
    if chance.random() < 0.2:
        return changes
    if stock.format is ImageFormat.VHD:
        footer = good.summed(patched(stock.data[:512], *_within(changes, 0, 512)), 64)
        header = good.summed(patched(stock.data[512:1536], *_within(changes, 512, 1536)), 36)
        return (*changes, (0, footer), (512, header), (len(stock.data) - 512, footer))
    if stock.format is ImageFormat.VHDX:
        for begin, size in ((128 << 10, 4096), (192 << 10, 65536)):
            inside = _within(changes, begin, begin + size)
            if inside:
                block = good.checked(patched(stock.data[begin : begin + size], *inside)[:size])
                changes = (*changes, (begin, block))
    return changes


def _within(changes: tuple[tuple[int, bytes], ...], begin: int, end: int) -> list[tuple[int, bytes]]:
    return [(at - begin, new[: end - at]) for at, new in changes if begin <= at < end]


def _stock(data: bytes, kind: ImageFormat, weight: int, *places: tuple[int, int]) -> Stock:
    return Stock(data=data, format=kind, weight=weight, places=places)


_CLUSTER = good.CLUSTER
STOCKS = (
    _stock(
        good.qcow2(),
        ImageFormat.QCOW2,
        24,
        (0, 120),
        (_CLUSTER, _CLUSTER + 16),
        (3 * _CLUSTER, 3 * _CLUSTER + 16),
    ),
    _stock(good.qcow2(version=2), ImageFormat.QCOW2, 10, (0, 80)),
    _stock(snapshots(2), ImageFormat.QCOW2, 10, (0, 112), (5 * _CLUSTER, 5 * _CLUSTER + 64)),
    _stock(good.qcow2(cluster_bits=9, virtual_size=32768), ImageFormat.QCOW2, 6, (0, 520)),
    _stock(good.vmdk(), ImageFormat.VMDK, 16, (0, 80), (512, 900), (26 * 512, 26 * 512 + 8)),
    _stock(good.vmdk_stream(), ImageFormat.VMDK, 10, (0, 80), (512, 900), (129 * 512, 133 * 512)),
    _stock(good.vhd_dynamic(), ImageFormat.VHD, 8, (0, 96), (512, 1200), (1536, 1600)),
    _stock(
        good.vhdx(),
        ImageFormat.VHDX,
        5,
        (128 << 10, (128 << 10) + 80),
        (192 << 10, (192 << 10) + 80),
        (2 << 20, (2 << 20) + 200),
        ((2 << 20) + 65536, (2 << 20) + 65600),
    ),
    _stock(good.vdi(), ImageFormat.VDI, 8, (0x40, 0x1C8), (512, 540)),
    _stock(good.iso(), ImageFormat.ISO, 5, (32 << 10, (32 << 10) + 200), (0, 512)),
    _stock(good.gpt(), ImageFormat.RAW, 5, (440, 620)),
    _stock(good.ova(), ImageFormat.OVA, 3, (0, 3000), (4000, 6000)),
)
