"""ONNX files as tsprune writes them: a network, then its properties, the last of which is a checksum of all before it.

Reading them needs only a few rules of protobuf's encoding and comes before any runtime sees a byte, so that a foreign
or damaged file is refused without being built or run.
"""

import hashlib
import os
from collections.abc import Iterator

from tsprune.deploy.card import PREFIX, Card
from tsprune.deploy.files import named, read_whole
from tsprune.errors import UserError

CHECKSUM = f"{PREFIX}sha256"
_PROPERTY = 14  # the field of onnx.ModelProto that holds pairs of texts: field 1 their name, field 2 their value
_FIXED = {1: 8, 5: 4}  # bytes of the wire types of fixed length
_TEXT = 2  # the wire type of what states its length


def join(network: bytes, card: Card) -> bytes:
    """The file of a serialised ``onnx.ModelProto`` without properties, and its card."""
    content = network + b"".join(_property(name, value) for name, value in card.properties().items())
    return content + _property(CHECKSUM, hashlib.sha256(content).hexdigest())


def read_onnx(path: str | os.PathLike) -> tuple[Card, bytes]:
    """The card and the bytes of the file at ``path``. Nothing in it is run.

    Raises :class:`UserError`, one line, for a file that cannot be read, is not an ONNX file of tsprune, or is damaged.
    """
    content = read_whole(path)
    try:
        return Card.of_properties(_properties(content)), content
    except (ValueError, LookupError):  # bytes that end within a number, or a property without name or value
        why = "is not an ONNX file of tsprune, is damaged, or has no checksum yet (then export it again)"
        raise UserError(f"{named(path)} {why}") from None
    except UserError as error:
        raise UserError(f"{named(path)}: {'; '.join(str(error).splitlines())}") from None


def _properties(content: bytes) -> dict[str, str]:
    """Raises :class:`ValueError` for bytes that are no protobuf, have none of our properties, or another checksum."""
    found, last = {}, 0
    for start, number, value in _fields(content):
        if number == _PROPERTY:
            last = start
            pair = {part: bytes(text).decode() for _, part, text in _fields(value)}
            found[pair[1]] = pair[2]
        elif found:
            raise ValueError("a network behind its properties")
    # Of all but the last property, which it has to be.
    if found.pop(CHECKSUM, None) != hashlib.sha256(content[:last]).hexdigest():
        raise ValueError("another checksum")
    return found


def _fields(content: bytes | memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Where each field begins, its number, and its bytes (of a number none)."""
    content, place = memoryview(content), 0
    while place < len(content):
        start = place
        tag, place = _number(content, place)
        kind = tag & 7
        if kind == 0:
            length, (_, place) = 0, _number(content, place)
        elif kind == _TEXT:
            length, place = _number(content, place)
        else:
            length = _FIXED.get(kind, len(content))  # there is no other kind
        if length > len(content) - place:
            raise ValueError("a field that is longer than what is left")
        yield start, tag >> 3, content[place : place + length]
        place += length


def _number(content: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    number = 0
    for shift in range(0, 64, 7):
        byte = content[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
    raise ValueError("a number of more than 64 bits")


def _property(name: str, value: str) -> bytes:
    return _field(_PROPERTY, _field(1, name.encode()) + _field(2, value.encode()))


def _field(number: int, content: bytes) -> bytes:
    return _as_number(number << 3 | _TEXT) + _as_number(len(content)) + content


def _as_number(number: int) -> bytes:
    signs = bytearray()
    while number > 127:
        signs.append(number & 127 | 128)
        number >>= 7
    return bytes([*signs, number])
