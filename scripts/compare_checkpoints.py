#!/usr/bin/env python3
"""Compares two checkpoint folders: tensors by name, dtype, shape and bytes; every other file by its bytes.

usage: compare_checkpoints.py A B
Reads the safetensors files itself (no code of the project). The shard index may be written anew, so of it only the
placement of the tensors counts. Exit 0 if nothing differs. Standard library only."""
import json
import os
import struct
import sys

BLOCK = 1 << 20


def headers(folder):
    """Tensor name -> (file name, dtype, shape, absolute offset, size)"""
    tensors = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith('.safetensors'):
            with open(os.path.join(folder, name), 'rb') as file:
                header_size = struct.unpack('<Q', file.read(8))[0]
                header = json.loads(file.read(header_size))
            for tensor, entry in header.items():
                if tensor != '__metadata__':
                    begin, end = entry['data_offsets']
                    tensors[tensor] = (name, entry['dtype'], entry['shape'], 8 + header_size + begin, end - begin)
    return tensors


def same_bytes(path_a, offset_a, path_b, offset_b, size):
    with open(path_a, 'rb') as a, open(path_b, 'rb') as b:
        a.seek(offset_a)
        b.seek(offset_b)
        while size:
            block = a.read(min(size, BLOCK))
            if not block or block != b.read(len(block)):
                return False
            size -= len(block)
    return True


def tensor_differences(folder_a, folder_b, a, b):
    for name in sorted(a.keys() | b.keys()):
        if name not in a or name not in b:
            yield f"tensor '{name}' is only in {folder_a if name in a else folder_b}"
        elif a[name][:3] != b[name][:3] or a[name][4] != b[name][4]:
            yield f"tensor '{name}': {a[name][:3]} in {folder_a}, {b[name][:3]} in {folder_b}"
        elif not same_bytes(os.path.join(folder_a, a[name][0]), a[name][3],
                            os.path.join(folder_b, b[name][0]), b[name][3], a[name][4]):
            yield f"tensor '{name}': bytes differ"


def file_differences(folder_a, folder_b):
    def files(folder):
        return {name for name in os.listdir(folder) if not name.endswith(('.safetensors', '.safetensors.index.json'))}
    for name in sorted(files(folder_a) | files(folder_b)):
        paths = [os.path.join(folder, name) for folder in (folder_a, folder_b)]
        if not all(map(os.path.isfile, paths)):
            yield f'file {name} is not in both folders'
        elif os.path.getsize(paths[0]) != os.path.getsize(paths[1]) or \
                not same_bytes(paths[0], 0, paths[1], 0, os.path.getsize(paths[0])):
            yield f'file {name}: bytes differ'


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder_a, folder_b = sys.argv[1:]
    a, b = headers(folder_a), headers(folder_b)
    if not a:
        sys.exit(f'{folder_a}: no tensors')
    differences = list(tensor_differences(folder_a, folder_b, a, b)) + list(file_differences(folder_a, folder_b))
    for difference in differences:
        print(difference)
    if differences:
        sys.exit(1)
    print(f'{len(a)} tensors, {sum(entry[4] for entry in a.values())} bytes: same names, placement, types, shapes and bytes')


if __name__ == '__main__':
    main()
