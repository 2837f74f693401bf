#!/usr/bin/env python3
"""The scripts that other checks rely on: find_nvcc, compare_checkpoints.py, make_synthetic_checkpoint.py."""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
SCRIPTS = os.path.join(ROOT, 'scripts')
SAMPLE = os.path.join(ROOT, 'samples', 'llama-odd-nvfp4')
sys.path.insert(0, SCRIPTS)
import make_synthetic_checkpoint as synthetic  # noqa: E402


def run(*argv, **environment):
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def header_of(path):
    with open(path, 'rb') as file:
        return json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, *names):
        return os.path.join(self.folder, *names)


class FindNvcc(InFolder):
    def nvcc(self, release):
        path = self.path('nvcc')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(f'#!/bin/sh\necho "Cuda compilation tools, release {release}, V{release}.1"\n')
        os.chmod(path, 0o755)
        return path

    def test_13_0_is_found(self):
        nvcc = self.nvcc('13.0')
        found = run(os.path.join(SCRIPTS, 'find_nvcc'), nvcc)
        self.assertEqual((found.returncode, found.stdout), (0, nvcc + '\n'))

    def test_12_9_counts_as_not_found_and_is_named(self):
        nvcc = self.nvcc('12.9')
        found = run(os.path.join(SCRIPTS, 'find_nvcc'), nvcc)
        self.assertEqual((found.returncode, found.stdout), (1, ''))
        self.assertIn(f'{nvcc} is release 12.9; 13.0 or newer is needed', found.stderr)

    def test_cuda_home_is_searched(self):
        os.mkdir(self.path('bin'))
        os.rename(self.nvcc('13.1'), self.path('bin', 'nvcc'))
        found = run(os.path.join(SCRIPTS, 'find_nvcc'), CUDA_HOME=self.folder, PATH='/usr/bin:/bin')
        self.assertEqual((found.returncode, found.stdout), (0, self.path('bin', 'nvcc') + '\n'))


class CompareCheckpoints(InFolder):
    def setUp(self):
        super().setUp()
        self.copy = self.path('copy')
        shutil.copytree(SAMPLE, self.copy)

    def compare(self):
        return run(sys.executable, os.path.join(SCRIPTS, 'compare_checkpoints.py'), SAMPLE, self.copy)

    def test_a_copy_is_the_same(self):
        result = self.compare()
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertIn('76 tensors, ', result.stdout)

    def test_one_bit_of_one_tensor_is_seen(self):
        path = os.path.join(self.copy, 'model.safetensors')
        with open(path, 'r+b') as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)[0]
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last ^ 1]))
        result = self.compare()
        self.assertEqual((result.returncode, result.stdout),
                         (1, "tensor 'model.layers.1.self_attn.v_proj.weight': bytes differ\n"))

    def test_a_changed_companion_is_seen(self):
        with open(os.path.join(self.copy, 'generation_config.json'), 'a', encoding='utf-8') as file:
            file.write('\n')
        result = self.compare()
        self.assertEqual((result.returncode, result.stdout), (1, 'file generation_config.json: bytes differ\n'))


class SyntheticCheckpoint(InFolder):
    DIMS = synthetic.Dims(hidden=64, intermediate=96, heads=4, kv_heads=2, vocab=40, max_layers=9)

    def write(self, name, budget_bytes=100_000, shard_bytes=40_000):
        return synthetic.write_checkpoint(self.path(name), self.DIMS, budget_bytes, shard_bytes, seed=1, block_bytes=4096)

    def test_8b_shapes_fit_the_size_asked_for(self):
        layers, tensors = synthetic.model_tensors(synthetic.Dims(), 4 * synthetic.GIB, synthetic.random.Random(0))
        shapes = {t.name: (t.dtype, t.shape) for t in tensors}
        self.assertEqual(layers, 17)
        self.assertLessEqual(sum(t.size_bytes for t in tensors), 4 * synthetic.GIB)
        self.assertEqual(shapes['model.layers.16.mlp.down_proj.weight'], ('U8', (4096, 7168)))
        self.assertEqual(shapes['model.layers.16.self_attn.k_proj.weight_scale'], ('F8_E4M3', (1024, 256)))
        self.assertEqual(shapes['lm_head.weight'], ('BF16', (128256, 4096)))

    def test_files_hold_exactly_what_headers_and_index_say(self):
        layers, shards, total_bytes = self.write('a')
        self.assertGreater(layers, 1)
        self.assertGreater(shards, 1)
        with open(self.path('a', 'model.safetensors.index.json'), encoding='utf-8') as file:
            index = json.load(file)
        self.assertEqual(index['metadata']['total_size'], total_bytes)
        placement = {}
        for name in sorted(set(index['weight_map'].values())):
            path = self.path('a', name)
            header = header_of(path)
            header.pop('__metadata__')
            ranges = sorted(entry['data_offsets'] for entry in header.values())
            self.assertEqual([begin for begin, _ in ranges], [0] + [end for _, end in ranges[:-1]])
            with open(path, 'rb') as file:
                header_bytes = struct.unpack('<Q', file.read(8))[0]
            self.assertEqual(os.path.getsize(path), 8 + header_bytes + ranges[-1][1])
            placement.update(dict.fromkeys(header, name))
        self.assertEqual(placement, index['weight_map'])

    def test_block_scales_are_positive_numbers(self):
        self.write('a', shard_bytes=1 << 30)
        path = self.path('a', 'model.safetensors')
        with open(path, 'rb') as file:
            data = file.read()
        begin = 8 + struct.unpack('<Q', data[:8])[0]
        seen = set()
        for name, entry in header_of(path).items():
            if name.endswith('.weight_scale'):
                seen |= set(data[begin + entry['data_offsets'][0]:begin + entry['data_offsets'][1]])
        self.assertTrue(seen)
        self.assertLessEqual(seen, set(range(0x01, 0x7f)))

    def test_the_same_seed_gives_the_same_bytes(self):
        self.write('a')
        self.write('b')
        for name in os.listdir(self.path('a')):
            with open(self.path('a', name), 'rb') as a, open(self.path('b', name), 'rb') as b:
                self.assertEqual(a.read(), b.read(), name)


class LayoutExamples(InFolder):
    golden = os.path.join(ROOT, 'tests', 'golden')
    script = os.path.join(SCRIPTS, 'make_layout_variant_examples.py')

    def test_the_golden_pieces_are_what_the_script_makes(self):
        done = run(sys.executable, self.script, '--check', self.golden)
        self.assertEqual((done.returncode, done.stderr), (0, ''))

    def test_a_changed_digit_is_named(self):
        self.assertEqual(run(sys.executable, self.script, self.folder).returncode, 0)
        with open(self.path('mma64_int4_v0_block.hex'), 'r+', encoding='ascii') as file:
            file.seek(10)
            digit = file.read(1)
            file.seek(10)
            file.write('1' if digit == '0' else '0')
        done = run(sys.executable, self.script, '--check', self.folder)
        self.assertEqual((done.returncode, done.stderr),
                         (1, 'differ from the specification: mma64_int4_v0_block.hex\n'))


if __name__ == '__main__':
    unittest.main()
