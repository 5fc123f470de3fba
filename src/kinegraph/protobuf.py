"""Protocol buffers: the fields of a message, read and written by number, without a schema.

Source: protobuf.dev, "Encoding".

A message is a row of fields: a key (number and kind) and a value. Text is in bytes, and so are messages in messages.
"""

VARINT, BYTES, FIXED = 0, 2, {1: 8, 5: 4}  # kinds of a field; those of fixed length with their length


def values_of(data: bytes, number: int, kind: int) -> list:
    """The values of a message's fields of one number and kind. Raises ValueError where it is no message."""
    found, place = [], 0
    while place < len(data):
        key, place = read_varint(data, place)
        if key & 7 == VARINT:
            value, place = read_varint(data, place)
        else:
            if key & 7 == BYTES:
                length, place = read_varint(data, place)
            elif key & 7 in FIXED:
                length = FIXED[key & 7]
            else:
                raise ValueError(f"not a protocol buffer: it has a field of kind {key & 7}")
            if place + length > len(data):
                raise ValueError("not a protocol buffer: a field is longer than its message")
            value, place = data[place : place + length], place + length
        if key == number << 3 | kind:
            found.append(value)
    return found


def varints(data: bytes) -> list[int]:
    found, place = [], 0
    while place < len(data):
        value, place = read_varint(data, place)
        found.append(value)
    return found


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    """The integer at a place, 7 bits a byte and the lowest first, and the place after it."""
    value = 0
    for i, byte in enumerate(data[place : place + 10]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, place + i + 1
    raise ValueError("not a protocol buffer: an integer does not end")


def signed(number: int) -> int:
    """The 64 bits of an integer, of which the highest is the sign."""
    number &= 2**64 - 1
    return number - 2**64 if number >= 2**63 else number


def varint(number: int) -> bytes:
    number &= 2**64 - 1  # negative ones take ten bytes
    some = bytearray()
    while number > 127:
        some.append(number & 127 | 128)
        number >>= 7
    return bytes([*some, number])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3 | VARINT) + varint(value)
