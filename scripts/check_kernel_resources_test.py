#!/usr/bin/env python3
"""Self-test of check_kernel_resources: a report that passes, then the same report with one number changed."""
import os
import subprocess
import sys
import tempfile
import unittest

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'check_kernel_resources')

# The form of cuobjdump --dump-resource-usage, release 13.5.
PASSING = '''
member libimp.a:a.cu.o:

Fatbin ptx code:
================
arch = sm_80
code version = [9,0]
host = linux
compile_size = 64bit

Fatbin elf code:
================
arch = sm_80
code version = [1,8]
host = linux
compile_size = 64bit

Resource usage:
 Common:
  GLOBAL:0
 Function _Z3oldv:
  REG:37 STACK:0 SHARED:400 LOCAL:0 CONSTANT[0]:416 TEXTURE:0 SURFACE:0 SAMPLER:0

Fatbin elf code:
================
arch = sm_120f
code version = [1,8]

Resource usage:
 Common:
  GLOBAL:0
 Function _Z3newv:
  REG:148 STACK:0 SHARED:1424 LOCAL:0 CONSTANT[0]:592 TEXTURE:0 SURFACE:0 SAMPLER:0
'''
FAKE = '''#!/bin/sh
[ "$1" = --dump-resource-usage ] || exit 3
case "$2" in
  */absent) echo "cuobjdump fatal   : Could not open input file '$2'" >&2; exit 1 ;;
  */host) echo "cuobjdump info    : File '$2' does not contain device code" >&2; exit 255 ;;
esac
cat "$2"
'''

# (what is replaced, by what, what the line about it must contain)
BROKEN = [
    ('REG:37 STACK:0', 'REG:37 STACK:8', ['sm_80', '8 bytes of stack']),
    ('SHARED:1424 LOCAL:0', 'SHARED:1424 LOCAL:16', ['sm_120', '16 of local memory']),
    ('SHARED:400', 'SHARED:101377', ['sm_80', '101377 bytes of shared memory, a block can have 101376']),
    ('SHARED:1424', 'SHARED:102401', ['sm_120', '101377 bytes of shared memory, a block can have 101376']),
    ('sm_120f', 'sm_75', ['cannot be judged: architecture 75']),
    ('SHARED:400 ', '', ['cannot be judged', 'report lacks SHARED']),
]


class CheckKernelResources(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.fake = os.path.join(self.folder, 'fake-cuobjdump')
        with open(self.fake, 'w', encoding='utf-8') as file:
            file.write(FAKE)
        os.chmod(self.fake, 0o755)

    def report(self, text, name='report'):
        path = os.path.join(self.folder, name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    def run_script(self, *arguments, cuobjdump=None):
        environment = dict(os.environ, CUOBJDUMP=cuobjdump or self.fake)
        done = subprocess.run([sys.executable, SCRIPT, *arguments], env=environment, capture_output=True, text=True,
                              check=False)
        return done.returncode, done.stdout

    def test_passing(self):
        code, out = self.run_script(self.report(PASSING))
        self.assertEqual((code, out), (0, '2 kernels in 1 files, 0 broken rules\n'))

    def test_limits_themselves_pass(self):
        code, out = self.run_script(self.report(
            PASSING.replace('SHARED:400', 'SHARED:101376').replace('SHARED:1424', 'SHARED:102400')))
        self.assertEqual((code, out), (0, '2 kernels in 1 files, 0 broken rules\n'))

    def test_each_rule(self):
        for old, new, words in BROKEN:
            with self.subTest(new=new):
                self.assertEqual(PASSING.count(old), 1)
                code, out = self.run_script(self.report(PASSING.replace(old, new)))
                self.assertEqual(code, 1, out)
                self.assertTrue(out.endswith('2 kernels in 1 files, 1 broken rules\n'), out)
                for word in words:
                    self.assertIn(word, out)

    def test_no_kernel_is_a_failure(self):
        code, out = self.run_script(self.report('', 'host'))
        self.assertEqual(code, 1)
        self.assertIn('no kernel to judge', out)
        code, out = self.run_script(self.report('', 'host'), self.report(PASSING))
        self.assertEqual(code, 0, out)

    def test_unreadable_file(self):
        code, out = self.run_script(self.report(PASSING), self.report('', 'absent'))
        self.assertEqual(code, 2)
        self.assertIn('Could not open', out)

    def test_without_cuobjdump_it_is_skipped(self):
        code, out = self.run_script(self.report(PASSING), cuobjdump=os.path.join(self.folder, 'none'))
        self.assertEqual(code, 77)
        self.assertIn('NOT RUN', out)

    def test_usage(self):
        self.assertEqual(self.run_script()[0], 2)


if __name__ == '__main__':
    unittest.main()
