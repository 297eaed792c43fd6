"""Tensor files without packages: safetensors read and written, GGUF written.

A tensor is (shape, values): values are floats in row-major order (F32 in the file) or ints (I64).
"""
import array
import json
import math
import struct


def widened(raw):
    """BF16 bytes as floats."""
    halves = array.array("H", raw)
    return list(array.array("f", array.array("I", [h << 16 for h in halves]).tobytes()))


READERS = {
    "F32": lambda raw: list(array.array("f", raw)),
    "BF16": widened,
    "I64": lambda raw: list(array.array("q", raw)),
}


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = data[8 + length + begin : 8 + length + end]
        tensors[name] = (entry["shape"], READERS[entry["dtype"]](raw))
    return tensors


def packed(values):
    return array.array("q" if isinstance(values[0], int) else "f", values).tobytes()


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (shape, values) in sorted(tensors.items(), key=lambda item: (isinstance(item[1][1][0], float), item[0])):
        assert math.prod(shape) == len(values), name
        raw = packed(values)
        dtype = "I64" if isinstance(values[0], int) else "F32"
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


# GGUF's numbers of the value types that converters write.
GGUF_TYPES = {"u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f"), "bool": (7, "<?")}


def gguf_text(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf_value(kind, value):
    if kind == "text":
        return struct.pack("<I", 8) + gguf_text(value)
    if kind.endswith("[]"):
        number, form = GGUF_TYPES[kind[:-2]]
        return struct.pack("<IIQ", 9, number, len(value)) + b"".join(struct.pack(form, x) for x in value)
    number, form = GGUF_TYPES[kind]
    return struct.pack("<I", number) + struct.pack(form, value)


def write_gguf(path, metadata, tensors):
    """metadata: key -> (kind, value), kinds as in GGUF_TYPES, "text" or "u32[]".

    Matrices are stored as F16, which holds this folder's weights exactly, vectors as F32: the converter's --outtype f16.
    """
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, (kind, value) in metadata.items():
        head += gguf_text(key) + gguf_value(kind, value)
    data = b""
    for name, (shape, values) in tensors.items():
        assert math.prod(shape) == len(values), name
        head += gguf_text(name) + struct.pack("<I", len(shape))
        half = len(shape) > 1
        head += b"".join(struct.pack("<Q", n) for n in reversed(shape)) + struct.pack("<IQ", int(half), len(data))
        raw = struct.pack(f"<{len(values)}e", *values) if half else packed(values)
        data += raw + b"\0" * (-len(raw) % 32)
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)


class Noise:
    """Numbers by counter (splitmix64), so that a file can be made again anywhere."""

    def __init__(self, seed):
        self.state = seed * 0x9E3779B97F4A7C15 % 2**64

    def bits(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    def values(self, count, scale, middle=0.0):
        """Multiples of 1/256 around `middle`, uniform within about `scale` * sqrt(3)."""
        steps = max(1, round(scale * math.sqrt(3) * 256))
        return [middle + (self.bits() % (2 * steps + 1) - steps) / 256 for _ in range(count)]

    def ids(self, count, vocab):
        return [self.bits() % vocab for _ in range(count)]
