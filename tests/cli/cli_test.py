#!/usr/bin/env python3
"""Runs the programs and looks at exit codes, messages and files.

usage: cli_test.py --bin FOLDER --samples FOLDER"""
import argparse
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

BIN = SAMPLES = ''


def run(program, *argv, cwd=None):
    done = subprocess.run([os.path.join(BIN, program), *map(str, argv)], capture_output=True, cwd=cwd,
                          stdin=subprocess.DEVNULL, text=True, errors='replace')
    return done.returncode, done.stdout, done.stderr


def read(path):
    with open(path, 'rb') as f:
        return f.read()


def has_nvidia_device():
    """Whether /dev has the node of a card: native, under WSL, or on a Jetson."""
    return any(re.match(r'nvidia\d|dxg$|nvhost', name) for name in os.listdir('/dev'))


def write_checkpoint(folder, layers, hidden, intermediate):
    """A Llama in ModelOpt NVFP4 of some size, random codes; no code of the project is used."""
    rng = random.Random(7)
    tensors = []

    def linear(module, n, k):
        tensors.extend([(module + '.weight_scale_2', 'F32', (), struct.pack('<f', 1e-4)),
                        (module + '.weight_scale', 'F8_E4M3', (n, k // 16), bytes([0x38]) * (n * k // 16)),
                        (module + '.weight', 'U8', (n, k // 2), rng.randbytes(n * k // 2))])

    def plain(name, *shape):
        size = 2
        for d in shape:
            size *= d
        tensors.append((name, 'BF16', shape, bytes(size)))

    plain('model.embed_tokens.weight', 128, hidden)
    plain('lm_head.weight', 128, hidden)
    plain('model.norm.weight', hidden)
    for layer in range(layers):
        p = f'model.layers.{layer}.'
        plain(p + 'input_layernorm.weight', hidden)
        plain(p + 'post_attention_layernorm.weight', hidden)
        for leaf, n, k in (('self_attn.q_proj', hidden, hidden), ('self_attn.k_proj', hidden, hidden),
                           ('self_attn.v_proj', hidden, hidden), ('self_attn.o_proj', hidden, hidden),
                           ('mlp.gate_proj', intermediate, hidden), ('mlp.up_proj', intermediate, hidden),
                           ('mlp.down_proj', hidden, intermediate)):
            linear(p + leaf, n, k)
    header, at = {}, 0
    for name, dtype, shape, data in tensors:
        header[name] = {'dtype': dtype, 'shape': list(shape), 'data_offsets': [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    os.mkdir(folder)
    with open(os.path.join(folder, 'model.safetensors'), 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text)
        for tensor in tensors:
            f.write(tensor[3])
    quantization = {'quant_method': 'modelopt', 'quant_algo': 'NVFP4', 'ignore': ['lm_head', 'model.embed_tokens']}
    with open(os.path.join(folder, 'config.json'), 'w') as f:
        json.dump({'architectures': ['LlamaForCausalLM'], 'num_hidden_layers': layers, 'tie_word_embeddings': False,
                   'quantization_config': quantization}, f)


class Cli(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tmp)
        self.sample = os.path.join(SAMPLES, 'qwen3moe-nvfp4')
        self.odd = os.path.join(SAMPLES, 'llama-odd-nvfp4')

    def path(self, name):
        return os.path.join(self.tmp, name)

    def converted(self, *options, sample=None, name='out.imp'):
        rc, _, err = run('imp-convert', sample or self.sample, self.path(name), '-q', *options)
        self.assertEqual(rc, 0, err)
        return self.path(name)

    def assert_fails(self, code, fragment, program, *argv):
        rc, out, err = run(program, *argv)
        self.assertEqual(rc, code, err)
        self.assertIn(fragment, err)
        self.assertTrue(err.startswith(program + ': '), err)
        return out, err


class Usage(Cli):
    def test_help_and_version_go_to_stdout(self):
        for program in ('imp-convert', 'imp-verify', 'imp-inspect', 'imp-unpack'):
            rc, out, err = run(program, '--help')
            self.assertEqual((rc, err), (0, ''), program)
            self.assertIn('Usage: ' + program, out)
            rc, out, err = run(program, '--version')
            self.assertEqual((rc, err), (0, ''), program)
            self.assertRegex(out, r'^\d+\.\d+\.\d+\n$')

    def test_misuse_is_exit_2_on_stderr(self):
        out = self.path('o.imp')
        for argv in (['imp-convert'], ['imp-convert', self.sample], ['imp-convert', self.sample, out],
                     ['imp-convert', self.sample, out, '--target', 'sm_999'],
                     ['imp-convert', self.sample, out, '--target', 'ada'],
                     ['imp-convert', self.sample, out, '--target', 'sm_89', '--layout', 'nothing'],
                     ['imp-convert', self.sample, out, '--target', 'sm_89', '--include', '('],
                     ['imp-convert', self.sample, out, '--target', 'sm_89', '--exclude', '.'],
                     ['imp-convert', self.sample, out, '--frobnicate'], ['imp-verify'], ['imp-unpack', 'x'], ['imp-inspect']):
            rc, stdout, err = run(*argv)
            self.assertEqual((rc, stdout), (2, ''), argv)
            self.assertNotEqual(err, '', argv)
            self.assertFalse(os.path.exists(out))

    def test_lists(self):
        rc, out, _ = run('imp-convert', '--list-targets')
        self.assertEqual(rc, 0)
        for sm in (75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121):
            self.assertIn(f'sm_{sm} ', out)
        rc, out, _ = run('imp-convert', '--list-layouts')
        self.assertEqual(rc, 0)
        for layout in ('plain', 'mma64', 'native', 'marlin', 'marlin_a0', 'max_sm8x', 'machete4', 'machete8'):
            self.assertIn('\n' + layout + ' (version', '\n' + out)
        rc, out, _ = run('imp-convert', '--list-layouts', '--json')
        self.assertEqual(rc, 0)
        marlin = [layout for layout in json.loads(out) if layout['name'] == 'marlin'][0]
        self.assertEqual([s['scheme'] for s in marlin['schemes']], ['nvfp4', 'mxfp4', 'fp8', 'int4', 'int8'])
        self.assertIn('flushed', marlin['exceptions'])

    def test_readme_has_the_table_of_layouts(self):
        rc, table, _ = run('imp-convert', '--list-layouts', '--markdown')
        self.assertEqual(rc, 0)
        self.assertEqual(table.count('\n'), 2 + 27)
        with open(os.path.join(os.path.dirname(__file__), '..', '..', 'README.md'), encoding='utf-8') as f:
            self.assertIn('\n' + table + '\n', f.read())

    def test_readme_has_the_table_of_types(self):
        rc, table, _ = run('imp-convert', '--list-types')
        self.assertEqual(rc, 0)
        self.assertGreater(table.count('lossless'), 60)
        with open(os.path.join(os.path.dirname(__file__), '..', '..', 'README.md'), encoding='utf-8') as f:
            self.assertIn('\n' + table + '\n', f.read())

    def test_cuda_is_not_silently_replaced(self):
        """Where a card does it the bytes are the same and the report names the card; elsewhere it is refused."""
        artifact, out = self.converted('--target', 'sm_89', '--target', 'sm_120'), self.path('cuda.imp')
        convert = ['imp-convert', self.sample, out, '-q', '--target', 'sm_89', '--target', 'sm_120', '--backend', 'cuda']
        verify = ['imp-verify', artifact, '--json', '--backend', 'cuda']
        for argv in (convert, verify):
            rc, stdout, err = run(*argv)
            if rc == 0 and has_nvidia_device():
                self.assertTrue(argv is convert or json.loads(stdout)['backend'] == 'cuda', stdout)
                self.assertTrue(argv is verify or read(out) == read(artifact))
                continue
            self.assertEqual(rc, 6, err)
            self.assertRegex(err, f"^{argv[0]}: [^\n]*backend 'cuda' was asked for, but[^\n]+\n")
            if argv is convert:  # not even a hidden temporary file
                self.assertEqual(os.listdir(self.tmp), [os.path.basename(artifact)])


class Convert(Cli):
    def test_the_three_commands_give_the_source_back(self):
        for sample in (self.sample, self.odd):
            artifact = self.converted('--target', 'sm_89', '--target', 'sm_120', '-f', sample=sample)
            rc, out, err = run('imp-verify', artifact, '--source', sample)
            self.assertEqual(rc, 0, err)
            self.assertIn('passed', out)
            folder = self.path('back-' + os.path.basename(sample))
            rc, _, err = run('imp-unpack', artifact, folder)
            self.assertEqual(rc, 0, err)
            self.assertEqual(sorted(os.listdir(folder)), sorted(os.listdir(sample)))
            for name in os.listdir(sample):
                if not name.endswith('.safetensors'):
                    self.assertEqual(read(os.path.join(folder, name)), read(os.path.join(sample, name)), name)

    def test_a_layout_of_another_engine_and_what_it_flushes(self):
        artifact, refused = self.path('marlin.imp'), self.path('refused.imp')
        rc, out, err = run('imp-convert', self.odd, artifact, '--layout', 'marlin', '--json')
        self.assertEqual(rc, 0, err)
        flushed = json.loads(out)['flushed_scales']
        self.assertGreater(flushed, 0)
        self.assertIn(f'{flushed} block scales in ', err)
        rc, _, err = run('imp-convert', self.odd, refused, '-q', '--layout', 'marlin', '--max-flushed', flushed - 1)
        self.assertEqual(rc, 4)
        self.assertIn(f'{flushed} block scales are flushed by the layout, {flushed - 1} are allowed', err)
        self.assertEqual(os.listdir(self.tmp), ['marlin.imp'])
        rc, out, err = run('imp-inspect', artifact)
        self.assertIn(f'{flushed} flushed', out)
        rc, _, err = run('imp-verify', artifact, '--source', self.odd)
        self.assertEqual(rc, 0, err)
        rc, _, err = run('imp-unpack', artifact, self.path('back'))
        self.assertEqual(rc, 0, err)
        for name in os.listdir(self.odd):
            self.assertEqual(read(os.path.join(self.path('back'), name)), read(os.path.join(self.odd, name)), name)

    def test_what_a_layout_does_not_hold_is_said(self):
        rc, out, err = run('imp-convert', self.odd, self.path('x.imp'), '--layout', 'max_sm8x', '--target', 'sm_89', '--dry-run')
        self.assertEqual(rc, 0, err)
        self.assertIn('not max_sm8x: N must be a multiple of 64', out)
        rc, out, err = run('imp-convert', self.odd, self.path('x.imp'), '--layout', 'max_sm8x', '--target', 'sm_89', '--json')
        self.assertEqual(rc, 0, err)
        self.assertIn(f'{json.loads(out)["operands_not_in_layout"]} operands keep a default form', err)

    def test_same_bytes_for_threads_folders_and_target_order(self):
        first = read(self.converted('--target', 'sm_89', '--target', 'sm_120', '-j', 1))
        copy = self.path('copy')
        shutil.copytree(self.sample, copy)
        for i, (sample, options) in enumerate([(None, ['--target', 'sm_120', '--target', 'sm_89', '-j', 4]),
                                               (copy, ['--target', 'sm_89', '--target', 'sm_120']),
                                               (copy + '/', ['--target', '12.0', '--target', '89', '--repack', 'map'])]):
            again = read(self.converted(*options, sample=sample, name=f'again{i}.imp'))
            self.assertTrue(first == again, options)

    def test_dry_run_writes_nothing_and_says_where_things_go(self):
        rc, out, _ = run('imp-convert', self.sample, '--target', 'sm_89', '--target', 'sm_120', '--dry-run', '--json')
        self.assertEqual(rc, 0)
        plan = json.loads(out)
        rc, out, _ = run('imp-convert', self.sample, self.path('o.imp'), '--target', 'sm_89', '--target', 'sm_120', '--json')
        self.assertEqual(rc, 0)
        report = json.loads(out)
        self.assertEqual(plan['totals']['payload_offset_bytes'], report['payload_offset_bytes'])
        self.assertEqual(plan['totals']['payload_bytes'], report['payload_bytes'])
        bound = sum(plan['totals'][k] for k in ('payload_offset_bytes', 'payload_bytes', 'exceptions_bound_bytes', 'tail_bound_bytes'))
        self.assertLessEqual(report['total_bytes'], bound)
        self.assertEqual(report['total_bytes'], os.path.getsize(self.path('o.imp')))
        rc, text, _ = run('imp-convert', self.sample, self.path('never.imp'), '--target', 'sm_89', '--dry-run')
        self.assertEqual(rc, 0)
        self.assertIn('model.layers.0.mlp.experts.down_proj', text)
        self.assertFalse(os.path.exists(self.path('never.imp')))

    def test_existing_output_needs_force(self):
        artifact = self.converted('--target', 'sm_89')
        before = read(artifact)
        self.assert_fails(2, 'give -f', 'imp-convert', self.sample, artifact, '--target', 'sm_120')
        self.assertEqual(read(artifact), before)
        self.converted('--target', 'sm_120', '-f')
        self.assertNotEqual(read(artifact), before)

    def test_refusals_name_the_reason_and_leave_no_file(self):
        out = self.path('o.imp')
        self.assert_fails(7, 'cannot open', 'imp-convert', self.path('missing'), out, '--target', 'sm_89')
        os.mkdir(self.path('empty'))
        self.assert_fails(4, 'safetensors', 'imp-convert', self.path('empty'), out, '--target', 'sm_89')
        self.assert_fails(6, "layout 'native' does not serve sm_89", 'imp-convert', self.sample, out, '--target', 'sm_89', '--layout', 'native')
        cut = self.path('cut')
        shutil.copytree(self.sample, cut)
        data = read(os.path.join(cut, 'model.safetensors'))
        os.chmod(os.path.join(cut, 'model.safetensors'), 0o644)
        with open(os.path.join(cut, 'model.safetensors'), 'wb') as f:
            f.write(data[:-1])
        self.assert_fails(3, 'model.safetensors', 'imp-convert', cut, out, '--target', 'sm_89')
        rc, text, _ = run('imp-convert', cut, out, '--target', 'sm_89', '--json')
        self.assertEqual(rc, 3)
        self.assertEqual(json.loads(text)['error']['kind'], 'truncated')
        self.assertFalse(os.path.exists(out))
        self.assertEqual([n for n in os.listdir(self.tmp) if 'partial' in n], [])

    def test_include_and_exclude_are_recorded(self):
        artifact = self.converted('--target', 'sm_89', '--exclude', 'experts')
        rc, out, err = run('imp-verify', artifact, '--source', self.sample)
        self.assertEqual(rc, 0, err)
        rc, out, _ = run('imp-convert', self.sample, '--target', 'sm_89', '--exclude', 'experts', '--dry-run', '--json')
        plan = json.loads(out)
        self.assertEqual(plan['inventory']['ignored'], 2 * 4 * 3 * 4)
        self.assertFalse([o for o in plan['operands'] if 'experts' in o['name']])


class Interruption(Cli):
    def setUp(self):
        super().setUp()
        self.big = self.path('big')
        write_checkpoint(self.big, 2, 512, 2048)

    def start(self, *options):
        return subprocess.Popen([os.path.join(BIN, 'imp-convert'), self.big, self.path('out.imp'), '-q', '--target', 'sm_89', '--repack', 'map', *options],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_at_random_moments(self, number, check, *options):
        """Kills runs after random shares of the time that a whole run takes; at least some must have been under way."""
        begin = time.monotonic()
        self.assertEqual(self.start('-f').wait(), 0)
        whole = time.monotonic() - begin
        killed = 0
        rng = random.Random(11)
        for _ in range(12):
            check.prepare()
            process = self.start(*options)
            time.sleep(whole * rng.uniform(0.05, 0.95))
            process.send_signal(number)
            rc = process.wait()
            self.assertIn(rc, (0, check.killed_code))
            if rc != 0:
                killed += 1
                check.verify(self)
        self.assertGreater(killed, 2)

    def test_killed_runs_leave_nothing_or_a_whole_file_under_the_final_name(self):
        test = self

        class Check:
            killed_code = -signal.SIGKILL

            def prepare(self):
                if os.path.exists(test.path('out.imp')):
                    os.remove(test.path('out.imp'))

            def verify(self, case):
                if os.path.exists(test.path('out.imp')):  # killed between the rename and the end of the process
                    case.assertEqual(run('imp-verify', test.path('out.imp'), '--source', test.big)[0], 0)
        self.kill_at_random_moments(signal.SIGKILL, Check())

    def test_interrupted_overwrite_leaves_the_old_file_whole(self):
        test = self

        class Check:
            killed_code = 130

            def prepare(self):
                with open(test.path('out.imp'), 'wb') as f:
                    f.write(b'old')

            def verify(self, case):
                case.assertEqual(read(test.path('out.imp')), b'old')
                case.assertEqual([n for n in os.listdir(test.tmp) if 'partial' in n], [])
        self.kill_at_random_moments(signal.SIGTERM, Check(), '-f')


class Verify(Cli):
    def test_target_without_a_form_is_exit_6(self):
        artifact = self.converted('--target', 'sm_89')
        self.assertEqual(run('imp-verify', artifact, '--target', 'sm_90')[0], 0)
        self.assert_fails(6, 'sm_89', 'imp-verify', artifact, '--target', 'sm_120')

    def test_damage_is_found_wherever_it_is(self):
        data = bytearray(read(self.converted('--target', 'sm_89')))
        rng = random.Random(3)
        for at in [0, 9, 40, 300] + [rng.randrange(len(data)) for _ in range(40)]:
            damaged = bytearray(data)
            damaged[at] ^= 1 << rng.randrange(8)
            with open(self.path('damaged.imp'), 'wb') as f:
                f.write(damaged)
            rc, _, err = run('imp-verify', self.path('damaged.imp'))
            self.assertIn(rc, (3, 4, 5), f'byte {at}: {err}')
            self.assertIn('damaged.imp', err)

    def test_truncation_and_growth_are_exit_3(self):
        data = read(self.converted('--target', 'sm_89'))
        for size in (0, 1, 8, 255, 256, 4096, len(data) // 2, len(data) - 1):
            with open(self.path('cut.imp'), 'wb') as f:
                f.write(data[:size])
            self.assert_fails(3, 'cut.imp', 'imp-verify', self.path('cut.imp'))
        with open(self.path('cut.imp'), 'wb') as f:
            f.write(data + b'\0')
        self.assert_fails(3, 'cut.imp', 'imp-verify', self.path('cut.imp'))

    def test_json_is_one_document(self):
        artifact = self.converted('--target', 'sm_89')
        rc, out, _ = run('imp-verify', artifact, '--json', '--all', '--source', self.sample)
        self.assertEqual(rc, 0)
        report = json.loads(out)
        self.assertTrue(report['passed'])
        self.assertEqual([level['verdict'] for level in report['levels']], ['passed'] * 5)

    def test_wrong_source_is_exit_5(self):
        artifact = self.converted('--target', 'sm_89')
        self.assert_fails(5, 'model.safetensors', 'imp-verify', artifact, '--source', self.odd)


class Inspect(Cli):
    def test_artifact_and_checkpoint(self):
        artifact = self.converted('--target', 'sm_89', '--target', 'sm_120')
        for path in (artifact, self.sample):
            rc, out, err = run('imp-inspect', path)
            self.assertEqual(rc, 0, err)
            self.assertIn('model.layers.0.self_attn', out)
            self.assertIn('nvfp4', out)
            rc, out, err = run('imp-inspect', path, '--json')
            self.assertEqual(rc, 0, err)
            json.loads(out)

    def test_what_cannot_be_opened(self):
        self.assert_fails(7, 'nothing', 'imp-inspect', self.path('nothing'))


class Unpack(Cli):
    def test_folder_must_be_empty_unless_forced(self):
        artifact = self.converted('--target', 'sm_89')
        os.mkdir(self.path('d'))
        self.assertEqual(run('imp-unpack', artifact, self.path('d'))[0], 0)
        rc, _, err = run('imp-unpack', artifact, self.path('d'))
        self.assertEqual(rc, 2, err)
        self.assertEqual(run('imp-unpack', artifact, self.path('d'), '-f')[0], 0)

    def test_gguf_blocks_of_another_source(self):
        artifact = self.converted('--target', 'sm_89')
        rc, _, err = run('imp-unpack', artifact, self.path('d'), '--as', 'gguf-blocks')
        self.assertEqual(rc, 2)
        self.assertIn('was not made from GGUF files', err)
        self.assertFalse(os.path.exists(self.path('d')))
        rc, _, err = run('imp-unpack', artifact, self.path('d'), '--as', 'gguf-blocks', '--dequantize', 'f32')
        self.assertEqual(rc, 2)
        self.assertIn('exclude each other', err)

    def test_raw_and_dequantized(self):
        artifact = self.converted('--target', 'sm_89', '--target', 'sm_120')
        rc, _, err = run('imp-unpack', artifact, self.path('raw'), '--as', 'raw')
        self.assertEqual(rc, 0, err)
        index = json.loads(read(self.path('raw/index.json')))
        self.assertTrue(index)
        rc, _, err = run('imp-unpack', artifact, self.path('values'), '--dequantize', 'bf16')
        self.assertEqual(rc, 0, err)
        header = read(self.path('values/model.safetensors'))
        names = json.loads(header[8:8 + struct.unpack('<Q', header[:8])[0]])
        self.assertEqual(names['model.layers.0.self_attn.q_proj.weight']['dtype'], 'BF16')
        self.assertNotIn('model.layers.0.self_attn.q_proj.weight_scale', names)


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--bin', required=True)
    parser.add_argument('--samples', required=True)
    options, rest = parser.parse_known_args()
    BIN, SAMPLES = os.path.abspath(options.bin), os.path.abspath(options.samples)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
