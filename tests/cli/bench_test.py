#!/usr/bin/env python3
"""imp-bench, and imp-verify's choice of a backend, as a user meets them: exit codes and sentences.

usage: bench_test.py --bin FOLDER --samples FOLDER

What is said without a device is only looked at where there is none."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import unittest

BIN = SAMPLES = ''


def run(program, *argv):
    done = subprocess.run([os.path.join(BIN, program), *map(str, argv)], capture_output=True,
                          stdin=subprocess.DEVNULL, text=True, errors='replace')
    return done.returncode, done.stdout, done.stderr


class Bench(unittest.TestCase):
    def test_help_and_version(self):
        rc, out, err = run('imp-bench', '--help')
        self.assertEqual((rc, err), (0, ''))
        for word in ('gemm', 'repack', '--json'):
            self.assertIn(word, out)
        rc, out, err = run('imp-bench', 'gemm', '--help')
        self.assertEqual((rc, err), (0, ''))
        self.assertIn('--shape', out)
        self.assertRegex(run('imp-bench', '--version')[1], r'^\d+\.\d+\.\d+\n$')

    def test_misuse_is_exit_2_even_without_a_device(self):
        for argv in ([], ['fly'], ['gemm', '--shape', '12'], ['gemm', '--shape', '64x65'], ['gemm', '--kernel', 'nothing'],
                     ['gemm', '--activation', 'f32'], ['gemm', '--m', '0'], ['gemm', '--tokens-per-expert', '4'],
                     ['repack', '--path', 'sideways'], ['repack', '--k', '40']):
            rc, out, err = run('imp-bench', *argv)
            self.assertEqual((rc, out), (2, ''), argv)
            self.assertNotEqual(err, '', argv)

    def test_without_a_device_it_is_exit_6_and_one_line(self):
        for command in ('gemm', 'repack'):
            rc, out, err = run('imp-bench', command, *(['--shape', '64x64', '--m', '1', '--replays', '1'] if command == 'gemm'
                                                       else ['--mib', '1', '--replays', '1']))
            if rc == 0:
                self.skipTest('there is a device')
            self.assertEqual((rc, out), (6, ''))
            self.assertRegex(err, r'^imp-bench: [^\n]+\n$')
            self.assertIn('CUDA', err)

    def test_json_error_is_one_document(self):
        rc, out, _ = run('imp-bench', 'gemm', '--json', '--kernel', 'nothing')
        self.assertEqual(rc, 2)
        self.assertEqual(json.loads(out)['error']['kind'], 'usage')


class VerifyBackend(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.artifact = os.path.join(tmp.name, 'out.imp')
        rc, _, err = run('imp-convert', os.path.join(SAMPLES, 'llama-odd-nvfp4'), self.artifact, '-q', '--target', 'sm_89')
        self.assertEqual(rc, 0, err)

    def test_cuda_without_a_device_is_refused_naming_the_targets(self):
        rc, out, err = run('imp-verify', self.artifact, '--backend', 'cuda')
        if rc == 0:
            self.skipTest('there is a device that the file serves')
        self.assertEqual(rc, 6, err)
        self.assertIn("backend 'cuda' was asked for", err)
        self.assertIn('the file serves sm_80 sm_86 sm_87 sm_88 sm_89 sm_90', err)
        self.assertNotIn('passed\n', out.splitlines()[-1] + '\n')

    def test_cpu_is_there_everywhere_and_says_so(self):
        rc, out, err = run('imp-verify', self.artifact, '--backend', 'cpu')
        self.assertEqual(rc, 0, err)
        self.assertIn('on the CPU backend (asked for)', out)
        report = json.loads(run('imp-verify', self.artifact, '--json', '--backend', 'cpu')[1])
        self.assertEqual((report['backend'], report['backend_why']), ('cpu', 'asked for'))

    def test_auto_says_which_and_why(self):
        rc, out, err = run('imp-verify', self.artifact)
        self.assertEqual(rc, 0, err)
        report = json.loads(run('imp-verify', self.artifact, '--json')[1])
        self.assertIn(report['backend'], ('cpu', 'cuda'))
        self.assertNotEqual(report['backend_why'], '')
        self.assertIn(report['backend_why'], out)

    def test_an_unknown_backend_is_misuse(self):
        self.assertEqual(run('imp-verify', self.artifact, '--backend', 'abacus')[0], 2)


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--bin', required=True)
    parser.add_argument('--samples', required=True)
    arguments, rest = parser.parse_known_args()
    BIN, SAMPLES = arguments.bin, arguments.samples
    unittest.main(argv=[sys.argv[0], *rest])
