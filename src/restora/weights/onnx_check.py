"""What is asked of an ONNX file before any library reads it: that it is whole, and all of it.

An ONNX file may keep its tensors in other files, which it names by path. Those would be under no
checksum, and could be any file of the machine. This walks the file's messages, without the ``onnx``
package, which the light install leaves out.

Source of the numbers: onnx.proto of ONNX; the wire format of Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from restora.errors import WeightsError

__all__ = ["check_onnx"]

# Which fields of a message hold messages a tensor can be in.
_HOLDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_GRAPH = 7
_EXTERNAL_DATA = 13  # of a tensor: where its numbers are, if not here
_DATA_LOCATION = 14  # of a tensor: 0 for here
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_FIXED = {_EIGHT: 8, _FOUR: 4}
_OWN_FORMAT = b"ORTM"  # where it stands, a file can be of that and a sound ONNX file at once
_DEEPEST = 50  # graphs within graphs; parsers of Protocol Buffers end at 100 messages


def check_onnx(data: bytes, *, name: str) -> None:
    """Refuse what is no whole ONNX file, or keeps a part of itself elsewhere.

    Args:
        data: The file.
        name: What messages call it.

    Raises:
        WeightsError: It is one of these.
    """
    try:
        if data[4:8] == _OWN_FORMAT:
            raise ValueError("it is in ONNX Runtime's own format")
        elsewhere, graph = _walk(memoryview(data), "model", 0)
    except ValueError as error:
        raise WeightsError(f"The file {name} is damaged, or no ONNX file: {error}.") from error
    if not graph:
        raise WeightsError(f"The file {name} is no ONNX file: there is no network in it.")
    if elsewhere:
        raise WeightsError(
            f"The file {name} keeps weights in other files, which nothing checks; save it with "
            "all of them inside."
        )


def _walk(data: memoryview, kind: str, depth: int) -> tuple[bool, bool]:
    """Whether a tensor in this message lies elsewhere; and whether field 7 of it is a message."""
    if depth > _DEEPEST:
        raise ValueError("graphs lie too deep within graphs")
    inside, elsewhere, graph = _HOLDS[kind], False, False
    for number, value in _fields(data):
        if isinstance(value, int):
            elsewhere |= kind == "tensor" and number == _DATA_LOCATION and value != 0
            continue
        elsewhere |= kind == "tensor" and number == _EXTERNAL_DATA
        graph |= number == _GRAPH
        if number in inside:
            elsewhere |= _walk(value, inside[number], depth + 1)[0]
    return elsewhere, graph


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and content of every field of a message.

    Raises:
        ValueError: It ends too early or is none.
    """
    at = 0
    while at < len(data):
        key, at = _key(data, at)
        wire = key & 7
        value: int | memoryview
        if wire == _VARINT:
            value, at = _varint(data, at)
        elif wire == _BYTES or wire in _FIXED:
            length, at = _varint(data, at) if wire == _BYTES else (_FIXED[wire], at)
            value, at = data[at : at + length], at + length
        else:
            raise ValueError("a field of an unknown kind")
        if at > len(data):
            raise ValueError("it ends too early")
        if key >> 3 == 0:
            raise ValueError("a field without a number")
        yield key >> 3, value


def _key(data: memoryview, at: int) -> tuple[int, int]:
    """Number and kind of a field, and where its content starts.

    Parsers disagree on keys that nothing writes: those of C++ drop all bits but 32, and would see a
    field here that this does not.
    """
    key, end = _varint(data, at)
    if key >= 1 << 32 or (data[end - 1] == 0 and end - at > 1):
        raise ValueError("the number of a field is too long")
    return key, end


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and where it ends."""
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            raise ValueError("it ends too early")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number that never ends")
