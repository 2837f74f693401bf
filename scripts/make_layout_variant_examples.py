#!/usr/bin/env python3
"""Hex dumps of one small piece of each layout variant beside mma64 NVFP4, from kernels/layouts/README.md alone.

usage: make_layout_variant_examples.py [--check] tests/golden
Independent of the C++ layouts. Writes the files below into the folder, or with --check compares them and exits 1 if one differs.
  mma64_mxfp4_v0_block.hex   64 x 64: code(n, k) = (5n + 3k + k/16) % 16; scale of group h of row n = (37 (2n + h) + 1) % 255
  mma64_int4_v0_block.hex    64 x 64: the same codes
  mma64_bytes_v0_block.hex   64 x 64: code(n, k) = (7n + 3k + k/16) % 256; int8 and fp8 alike
  mma64_plane16_v0.hex       70 rows x 3 groups of 16 bits: 3n + group + 1
  mma64_plane8_v0.hex        70 rows x 3 groups of 8 bits: (7n + 5 group + 1) % 256
  mma64_plane4_v0.hex        70 rows x 3 groups of 4 bits: (5n + 3 group) % 16
  native_mxfp8_v0_rows.hex   3 x 33: code(n, k) = 64n + k
A dump has 16 bytes a line after their offset."""
import os
import struct
import sys

# Bits 15 to 0 of each half of a word of 4-bit floats: (register, bit of the code), bit 3 being the sign.
HALF = [(0, 3), (2, 3), (3, 3), (1, 3)] + [(r, bit) for r in (3, 0, 1, 2) for bit in (2, 1, 0)]
PLANE_ROWS, PLANE_GROUPS = 70, 3


def code4(n, k):
    return (5 * n + 3 * k + k // 16) % 16


def code8(n, k):
    return (7 * n + 3 * k + k // 16) % 256


def float_word(codes):
    value = 0
    for half in (0, 1):
        for i, (register, bit) in enumerate(HALF):
            value |= (codes[2 * register + half] >> bit & 1) << (16 * half + 15 - i)
    return value


def integer_word(codes):
    """Register r, its two codes 16 bits apart, at bit 4r."""
    return sum(codes[2 * r + half] << (4 * r + 16 * half) for r in range(4) for half in (0, 1))


def words(encode):
    out = bytearray(2048)
    for n in range(64):
        for c in range(4):
            for h in (0, 1):
                codes = [code4(n, 16 * c + 8 * h + e) for e in range(8)]
                j, lane = n // 8, 4 * (n % 8) + c
                struct.pack_into('<I', out, j // 2 * 512 + lane * 16 + j % 2 * 8 + h * 4, encode(codes))
    return bytes(out)


def mxfp4_block():
    scales = bytearray(128)
    for n in range(64):
        for h in (0, 1):
            scales[8 * (2 * (n % 8) + h) + n // 8] = (37 * (2 * n + h) + 1) % 255
    return words(float_word) + bytes(scales)


def bytes_block():
    out = bytearray(4096)
    for n in range(64):
        for k in range(64):
            lane = 4 * (n % 8) + k // 16
            out[n // 8 * 512 + lane * 16 + k % 16] = code8(n, k)
    return bytes(out)


def plane(element, size):
    out = bytearray(-(-PLANE_ROWS // 64) * 64 * PLANE_GROUPS * size)
    for n in range(PLANE_ROWS):
        for group in range(PLANE_GROUPS):
            at = (n // 64 * PLANE_GROUPS + group) * 64 + 8 * (n % 8) + n % 64 // 8
            out[at * size:(at + 1) * size] = element(n, group).to_bytes(size, 'little')
    return bytes(out)


def mxfp8_rows():
    return b''.join(bytes(64 * n + k for k in range(33)) + bytes(15) for n in range(3))


EXAMPLES = {
    'mma64_mxfp4_v0_block.hex': mxfp4_block,
    'mma64_int4_v0_block.hex': lambda: words(integer_word),
    'mma64_bytes_v0_block.hex': bytes_block,
    'mma64_plane16_v0.hex': lambda: plane(lambda n, group: 3 * n + group + 1, 2),
    'mma64_plane8_v0.hex': lambda: plane(lambda n, group: (7 * n + 5 * group + 1) % 256, 1),
    'mma64_plane4_v0.hex': lambda: plane(lambda n, group: (5 * n + 3 * group) % 16, 1),
    'native_mxfp8_v0_rows.hex': mxfp8_rows,
}


def dump(data):
    return ''.join(f'{at:08x}  {data[at:at + 16].hex(" ")}\n' for at in range(0, len(data), 16))


def main(argv):
    check = argv[:1] == ['--check']
    if len(argv) != 1 + check or argv[-1].startswith('-'):
        sys.exit(__doc__)
    differing = []
    for name, make in EXAMPLES.items():
        path, text = os.path.join(argv[-1], name), dump(make())
        if not check:
            with open(path, 'w', encoding='ascii') as out:
                out.write(text)
            continue
        with open(path, encoding='ascii') as golden:
            if golden.read() != text:
                differing.append(name)
    if differing:
        sys.exit('differ from the specification: ' + ', '.join(differing))


if __name__ == '__main__':
    main(sys.argv[1:])
