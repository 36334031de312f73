"""Who issued an OpenPGP signature, read from the signature itself (RFC 9580)."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Iterator

_SIGNATURE = 2
_ISSUER, _ISSUER_FINGERPRINT = 16, 33
_V4 = 4


def issuer_of(armored: bytes) -> str | None:
    """Return the identifier of the key that made a signature, 16 hexadecimal digits in upper case.

    None is returned where the signature does not say, holds several, or can't be read.

    Args:
        armored: the signature, in ASCII (section 6.2).
    """
    try:
        packets = list(_packets(_unarmored(armored)))
        return _issuer(packets[0][1]) if [tag for tag, _ in packets] == [_SIGNATURE] else None
    except (IndexError, NoBase64):
        return None


def _unarmored(armored: bytes) -> bytes:
    lines = [line.strip() for line in armored.splitlines()]
    body = lines[lines.index(b"") + 1 :] if b"" in lines else lines[1:]
    end = next((n for n, line in enumerate(body) if line.startswith((b"=", b"-----"))), len(body))
    return b64decode(b"".join(body[:end]), validate=True)


def _packets(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tags and bodies of packets (section 4.2), up to one whose length is not told."""
    at = 0
    while at < len(raw):
        first = raw[at]
        if first & 0x40:
            tag, (size, start) = first & 0x3F, _length(raw, at + 1)
        else:
            tag, width = first >> 2 & 0x0F, 1 << (first & 3)
            if width == 8:
                return
            size, start = int.from_bytes(raw[at + 1 : at + 1 + width]), at + 1 + width
        yield tag, raw[start : start + size]
        at = start + size


def _length(raw: bytes, at: int) -> tuple[int, int]:
    """Return a length and where it ends (sections 4.2.1 and 5.2.3.7)."""
    first = raw[at]
    if first < 192:
        return first, at + 1
    if first < 255:
        return ((first - 192) << 8) + raw[at + 1] + 192, at + 2
    return int.from_bytes(raw[at + 1 : at + 5]), at + 5


def _issuer(body: bytes) -> str | None:
    """Return the issuer that the subpackets of a signature name (section 5.2.3)."""
    if body[0] != _V4:
        return None
    hashed = int.from_bytes(body[4:6])
    unhashed = int.from_bytes(body[6 + hashed : 8 + hashed])
    for area in (body[6 : 6 + hashed], body[8 + hashed : 8 + hashed + unhashed]):
        at = 0
        while at < len(area):
            size, start = _length(area, at)
            kind, value = area[start] & 0x7F, area[start + 1 : start + size]
            at = start + size
            if kind == _ISSUER_FINGERPRINT and len(value) == 21:
                return value[-8:].hex().upper()
            if kind == _ISSUER and len(value) == 8:
                return value.hex().upper()
    return None
