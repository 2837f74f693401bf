#!/usr/bin/env python3
"""One mma64 NVFP4 block with every legal scale byte twice, from kernels/layouts/README.md alone, as a hex dump on stdout.

usage: make_mma64_example.py > tests/golden/mma64_nvfp4_v1_block.hex
Independent of the C++ layouts. W is 64 x 64: code(n, k) = (5n + 3k + k/16) % 16; scale number i = 4n + k/16 has byte
i % 128, with 0x80 (minus zero) in place of 0x7F, which is a NaN. The dump has 16 bytes a line after their offset."""
import struct

BLOCK_BYTES, CODE_BYTES = 2304, 2048
# Bits 15 to 0 of each half of a word: (register, bit of the code), bit 3 being the sign.
HALF = [(0, 3), (2, 3), (3, 3), (1, 3)] + [(r, bit) for r in (3, 0, 1, 2) for bit in (2, 1, 0)]


def code(n, k):
    return (5 * n + 3 * k + k // 16) % 16


def scale(n, c):
    byte = (4 * n + c) % 128
    return 0x80 if byte == 0x7F else byte


def e4m3_value(byte):
    exponent, mantissa = byte >> 3 & 15, byte & 7
    return mantissa / 512 if exponent == 0 else (8 + mantissa) / 8 * 2.0 ** (exponent - 7)


def stored_scale(byte):
    """bits(fp16(e4m3)) >> 7; both zeros are 0."""
    bits, = struct.unpack('<H', struct.pack('<e', e4m3_value(byte & 0x7F)))
    return bits >> 7


def word(codes):
    """Eight codes of one n, k = 8h .. 8h + 7."""
    value = 0
    for half in (0, 1):
        for i, (register, bit) in enumerate(HALF):
            value |= (codes[2 * register + half] >> bit & 1) << (16 * half + 15 - i)
    return value


def block():
    out = bytearray(BLOCK_BYTES)
    for n in range(64):
        for c in range(4):
            j, lane = n // 8, 4 * (n % 8) + c
            out[CODE_BYTES + lane * 8 + j] = stored_scale(scale(n, c))
            for h in (0, 1):
                codes = [code(n, 16 * c + 8 * h + e) for e in range(8)]
                if scale(n, c) in (0x00, 0x80):
                    codes = [0] * 8
                struct.pack_into('<I', out, j // 2 * 512 + lane * 16 + j % 2 * 8 + h * 4, word(codes))
    return bytes(out)


def main():
    data = block()
    for at in range(0, len(data), 16):
        print(f'{at:08x}  {data[at:at + 16].hex(" ")}')


if __name__ == '__main__':
    main()
