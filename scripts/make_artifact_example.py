#!/usr/bin/env python3
"""Assembles the worked example of formats/imp/SPEC.md from the SPEC alone, as a hex dump on stdout.

usage: make_artifact_example.py > tests/golden/artifact_v0_worked_example.hex
Independent of the C++ writer: struct and hashlib, and the module xxhash (pip install xxhash) for XXH3 and XXH64.
The dump has 16 bytes a line after their offset; lines of zeros are left out; the last line is the size of the file."""
import hashlib
import json
import struct

import xxhash

NONE = 0xFFFFFFFF
NAMES = ['operands', 'parts', 'forms', 'components', 'scalars', 'source_files', 'source_tensors', 'payload_files',
         'strings', 'payload', 'exceptions', 'chunks', 'manifest', 'companion_table', 'companion_bytes']
ALIGNMENT = {'payload': 4096, 'exceptions': 256}
RECORD_BYTES = {'operands': 96, 'parts': 64, 'forms': 64, 'components': 128, 'scalars': 8, 'source_files': 64,
                'source_tensors': 144, 'payload_files': 16, 'chunks': 32, 'companion_table': 64}
REQUIRED, ZSTD = 1, 2

# One tensor: eight bf16 values 1.0, -2.0, 0.5, 0, 3.0, -0.25, 128.0, 1.5.
PAYLOAD = struct.pack('<8H', 0x3F80, 0xC000, 0x3F00, 0x0000, 0x4040, 0xBE80, 0x4300, 0x3FC0)
BF16, ROLE, SCHEME, LAYOUT, CODES, COPIED = 15, 1, 1, 1, 1, 2
ANY_TARGET = 1 << 63
MANIFEST = b'{}'


def xxh3_128(data):
    """Canonical form: big-endian."""
    return xxhash.xxh3_128(data).digest()


def round_up(value, unit):
    return (value + unit - 1) // unit * unit


def source_file():
    """The safetensors file that the example claims to come from."""
    header = json.dumps({'norm.weight': {'dtype': 'BF16', 'shape': [8], 'data_offsets': [0, 16]}},
                        separators=(',', ':')).encode()
    header += b' ' * (-len(header) % 8)
    return struct.pack('<Q', len(header)) + header + PAYLOAD


def zstd_raw_frame(data):
    """RFC 8878: one segment, content size in one byte, one raw block, checksum (the low 4 bytes of XXH64)."""
    assert len(data) < 256
    block_header = struct.pack('<I', len(data) << 3 | 0 << 1 | 1)[:3]
    checksum = xxhash.xxh64(data).intdigest() & 0xFFFFFFFF
    return bytes.fromhex('28b52ffd24') + bytes([len(data)]) + block_header + data + struct.pack('<I', checksum)


def index_sections(payload_offset):
    strings = b'norm.weight' + b'norm' + b'model.safetensors'
    name, module, file_name = (0, 11), (11, 4), (15, 17)
    dims = (8, 0, 0, 0, 0, 0, 0, 0)
    source = source_file()
    return {
        'operands': struct.pack('<IIHHIQQQIIIIIII28x', *name, ROLE, SCHEME, NONE, 1, 8, 1, 0, 0, 0, 1, 0, 1, 0),
        'parts': struct.pack('<IIQQIIII24x', *module, 0, 8, 0, 0, 0, 0),
        'forms': struct.pack('<HHHHQQQII24x', LAYOUT, 1, 0, 0, ANY_TARGET, 8, 1, 0, 1),
        'components': struct.pack('<HHHHII8QQQQ24x', CODES, REQUIRED, BF16, 1, 0, 0, *dims, 0, payload_offset, 16),
        'scalars': b'',
        'source_files': struct.pack('<IIIIQ32sII', *file_name, 0, 0, len(source), hashlib.sha256(source).digest(), 0, 1),
        'source_tensors': struct.pack('<IIHHHH8QQ16sIIIIII16x', *name, BF16, 1, COPIED, CODES, *dims, 16,
                                      xxh3_128(PAYLOAD), 0, 0, NONE, 0, 0, 0),
        'payload_files': struct.pack('<IIQ', 0, 0, 0),
        'strings': strings,
    }


def place(sections):
    """Offsets of the sections, in file order, each at a multiple of its alignment."""
    offsets, end = {}, 256 + 64 * len(NAMES)
    for name in NAMES:
        offsets[name] = round_up(end, ALIGNMENT.get(name, 64))
        end = offsets[name] + len(sections[name])
    return offsets, end


def entry(number, name, stored, offset, raw_bytes):
    flags = ZSTD if name == 'manifest' else 0 if name.startswith('companion') else REQUIRED
    digest = bytes(16) if name in ('payload', 'exceptions') else xxh3_128(stored)
    record_bytes = RECORD_BYTES.get(name, 0)
    count = len(stored) // record_bytes if record_bytes else 0
    return struct.pack('<IIQQQ16sQII', number, flags, offset, len(stored), raw_bytes, digest, count, record_bytes, 0)


def header(total, artifact_id, table_digest):
    unsummed = struct.pack('<8sHHIQQQQII32s16sQ144x', b'\x89IMP\r\n\x1a\n', 0, 1, 256, 0, 0, total, 256, 15, 64,
                           artifact_id, table_digest, 0)
    if total == 0:
        return unsummed
    return unsummed[:104] + struct.pack('<Q', xxhash.xxh3_64(unsummed).intdigest()) + unsummed[112:]


def artifact():
    sections = index_sections(0)
    sections.update(payload=PAYLOAD, exceptions=b'', chunks=bytes(32), manifest=zstd_raw_frame(MANIFEST),
                    companion_table=b'', companion_bytes=b'')
    offsets, total = place(sections)
    sections.update(index_sections(offsets['payload']))
    sections['chunks'] = struct.pack('<QII16s', offsets['payload'], 16, 0, xxh3_128(PAYLOAD))

    entries = [entry(i + 1, name, sections[name], offsets[name],
                     len(MANIFEST) if name == 'manifest' else len(sections[name])) for i, name in enumerate(NAMES)]
    id_table = b''.join(entries[:12]) + b''.join(struct.pack('<I60x', number) for number in (13, 14, 15))
    artifact_id = hashlib.sha256(header(0, bytes(32), bytes(16)) + id_table +
                                 b''.join(sections[name] for name in NAMES[:9]) + sections['chunks'] + MANIFEST).digest()

    out = bytearray(total)
    table = b''.join(entries)
    out[:256] = header(total, artifact_id, xxh3_128(table))
    out[256:256 + len(table)] = table
    for name in NAMES:
        out[offsets[name]:offsets[name] + len(sections[name])] = sections[name]
    return bytes(out)


def main():
    data = artifact()
    for at in range(0, len(data), 16):
        line = data[at:at + 16]
        if any(line):
            print(f'{at:08x}  {line.hex(" ")}')
    print(f'{len(data):08x}')


if __name__ == '__main__':
    main()
