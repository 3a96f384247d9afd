"""Just enough of a viewer of displays: it comes in by a password, looks, presses keys. Source: RFC 6143."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

VERSION = b"RFB 003.008\n"
_PASSWORD = 2
# 32 bits a pixel, of which the lower 24 are red, green and blue; little endian.
_PIXELS = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_RAW, _RESIZED = 0, -223


class Refused(Exception):
    """The display's server did not take the password."""


@dataclass(kw_only=True)
class Viewer:
    """``read`` gives what has come, and waits until something has; nothing: the other side is gone."""

    read: Callable[[], Awaitable[bytes]]
    write: Callable[[bytes], Awaitable[None]]
    width: int = 0
    height: int = 0
    name: str = ""
    _come: bytearray = field(default_factory=bytearray)

    async def enter(self, password: str) -> None:
        """Raises Refused."""
        assert await self._take(len(VERSION)) == VERSION
        await self.write(VERSION)
        count = (await self._take(1))[0]
        assert list(await self._take(count)) == [_PASSWORD]
        await self.write(bytes([_PASSWORD]))
        await self.write(answer(await self._take(16), password))
        if int.from_bytes(await self._take(4)):
            raise Refused((await self._take(int.from_bytes(await self._take(4)))).decode())
        await self.write(b"\1")
        self.width, self.height = struct.unpack(">HH", await self._take(4))
        await self._take(16)
        self.name = (await self._take(int.from_bytes(await self._take(4)))).decode()
        await self.write(b"\0\0\0\0" + _PIXELS)
        await self.write(struct.pack(">BxHii", 2, 2, _RAW, _RESIZED))

    async def look(self) -> bytes:
        """The whole screen, four bytes a pixel."""
        screen = bytearray(self.width * self.height * 4)
        await self.write(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        left = self.width * self.height
        while left > 0:
            kind = (await self._take(1))[0]
            assert kind == 0, kind
            (count,) = struct.unpack(">xH", await self._take(3))
            for _ in range(count):
                x, y, width, height, encoding = struct.unpack(">HHHHi", await self._take(12))
                if encoding == _RESIZED:
                    self.width, self.height = width, height
                    return await self.look()
                left -= width * height
                for line in range(y, y + height):
                    at = (line * self.width + x) * 4
                    screen[at : at + width * 4] = await self._take(width * 4)
        return bytes(screen)

    async def press(self, key: int) -> None:
        """An X11 keysym, down and up."""
        for down in (1, 0):
            await self.write(struct.pack(">BBxxI", 4, down, key))

    async def _take(self, count: int) -> bytes:
        while len(self._come) < count:
            data = await self.read()
            if not data:
                raise ConnectionResetError("the display hung up")
            self._come += data
        taken = bytes(self._come[:count])
        del self._come[:count]
        return taken


def answer(challenge: bytes, password: str) -> bytes:
    """Section 7.2.2: DES with the password as the key, the bits of each byte the other way round."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode().ljust(8, b"\0")[:8])
    encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
    return encryptor.update(challenge) + encryptor.finalize()
