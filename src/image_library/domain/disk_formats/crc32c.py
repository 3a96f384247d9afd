"""CRC-32C, as VHDX uses it. Long runs of zeros, which its tables mostly are, cost nothing.

Source: RFC 3720, appendix B.4; combining: zlib's crc32_combine.
"""

from __future__ import annotations

_POLYNOMIAL = 0x82F6_3B78
_ALL = 0xFFFF_FFFF


def _row(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE = tuple(_row(value) for value in range(256))


def _product(a: int, b: int) -> int:
    """Of two polynomials modulo that of the CRC; the highest bit is the constant term."""
    product = 0
    for bit in range(31, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product


# x to the power of 8 * 2^n.
_POWERS = [1 << 23]
for _ in range(31):
    _POWERS.append(_product(_POWERS[-1], _POWERS[-1]))


def crc32c(data: bytes) -> int:
    used = data.rstrip(b"\0")
    value = _ALL
    for byte in used:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    zeros, power = len(data) - len(used), 0
    while zeros:
        if zeros & 1:
            value = _product(_POWERS[power], value)
        zeros, power = zeros >> 1, power + 1
    return value ^ _ALL
