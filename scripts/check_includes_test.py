#!/usr/bin/env python3
"""Self-test of check_includes.py: a tree that passes, then the same tree with one include changed."""
import os
import tempfile
import unittest

import check_includes

PASSING = {
    'src/base/a.h': '#include <string>\n#include "src/base/b.h"\n',
    'src/base/b.h': '#include <openssl/evp.h>\n',
    'src/quant/a.cpp': '#include "src/base/a.h"\n',
    'src/model/a.cpp': '#include "src/quant/a.h"\n#include "formats/hf/a.h"\n',
    'src/plan/a.cpp': '#include "src/model/a.h"\n#include "kernels/layouts/a.h"\n#include "formats/imp/a.h"\n',
    'src/repack/a.cpp': '#include "src/plan/a.h"\n#include "kernels/layouts/a.h"\n',
    'src/convert/a.cpp': '#include "src/repack/a.h"\n#include "formats/safetensors/a.h"\n#include "kernels/repack/a.h"\n',
    'src/unpack/a.cpp': '#include "src/repack/a.h"\n#include "formats/imp/a.h"\n',
    'src/inspect/a.cpp': '#include "src/model/a.h"\n#include "formats/imp/a.h"\n',
    'src/verify/a.cpp': '#include "kernels/cpu/a.h"\n#include "kernels/layouts/a.h"\n#include "kernels/gemm/a.h"\n'
                        '#include "kernels/activation/a.h"\n#include "kernels/dequant/a.h"\n',
    'src/bench/a.cpp': '#include "kernels/gemm/a.h"\n#include "kernels/cpu/a.h"\n#include "kernels/bench/a.h"\n'
                       '#include "kernels/repack/a.h"\n',
    'formats/imp/a.h': '#include "src/base/a.h"\n#include <nlohmann/json.hpp>\n',
    'formats/hf/a.h': '#include "formats/safetensors/a.h"\n',
    'kernels/layouts/a.h': '#include <cstdint>\n#include <array>\n',
    'kernels/cuda/a.cu': '#include <cuda_runtime.h>\n#include "src/base/a.h"\n',
    'kernels/cuda/a.cuh': '#include <cuda_runtime.h>\n',
    'kernels/gemm/a.cu': '#include "kernels/cuda/a.cuh"\n#include <cuda.h>\n',
    'kernels/gemm/a.cpp': '#include "kernels/gemm/a.h"\n',
    'kernels/gemm/a.h': '#include "kernels/cuda/a.h"\n',
    'kernels/activation/a.cu': '#include "kernels/gemm/a.cuh"\n#include <cuda_bf16.h>\n',
    'kernels/dequant/a.cu': '#include "kernels/gemm/a.cuh"\n#include "kernels/cuda/a.cuh"\n',
    'kernels/repack/a.cu': '#include "kernels/layouts/a.h"\n#include <cuda_fp16.h>\n',
    'kernels/repack/a.h': '#include "kernels/cuda/a.h"\n',
    'kernels/bench/a.cu': '#include "kernels/cuda/a.cuh"\n',
    'kernels/cpu/a.cpp': '#include "src/base/a.h"\n',
    'tools/a.cpp': '#include "src/convert/a.h"\n#include "src/bench/a.h"\n#include "src/version.h"\n'
                   '#include "formats/imp/targets.h"\n',
    'tests/reference/a.cpp': '#include <vector>\n#include "tests/reference/a.h"\n',
    'src/base/CMakeLists.txt': '#include "tools/a.h"\n',
}

# (file, its first include becomes this, a part of the rule that must be named)
FORBIDDEN = [
    ('src/base/a.h', '"src/quant/a.h"', 'src/base may include nothing of ours'),
    ('src/quant/a.cpp', '"formats/hf/a.h"', 'src/quant may include src/base'),
    ('src/quant/a.cpp', '"kernels/layouts/a.h"', 'src/quant may include src/base'),
    ('src/model/a.cpp', '"kernels/layouts/a.h"', 'src/model may include'),
    ('src/model/a.cpp', '"src/plan/a.h"', 'src/model may include'),
    ('src/plan/a.cpp', '"formats/safetensors/a.h"', 'src/plan may include'),
    ('src/plan/a.cpp', '"src/repack/a.h"', 'src/plan may include'),
    ('src/repack/a.cpp', '"formats/imp/a.h"', 'src/repack may include'),
    ('src/repack/a.cpp', '"src/model/a.h"', 'src/repack may include'),
    ('src/convert/a.cpp', '"src/verify/a.h"', 'src/convert may include'),
    ('src/convert/a.cpp', '"tools/a.h"', 'src/convert may include'),
    ('src/unpack/a.cpp', '"src/plan/a.h"', 'src/unpack may include'),
    ('src/unpack/a.cpp', '"src/verify/a.h"', 'src/unpack may include'),
    ('src/inspect/a.cpp', '"kernels/layouts/a.h"', 'src/inspect may include'),
    ('src/verify/a.cpp', '"src/plan/a.h"', 'src/verify may include'),
    ('src/verify/a.cpp', '"src/repack/a.h"', 'src/verify may include'),
    ('src/verify/a.cpp', '"src/convert/a.h"', 'src/verify may include'),
    ('src/verify/a.cpp', '"kernels/repack/a.h"', 'src/verify may include'),
    ('src/verify/a.cpp', '<cuda_runtime.h>', 'CUDA headers stay inside'),
    ('src/convert/a.cpp', '"kernels/gemm/a.h"', 'src/convert may include'),
    ('src/bench/a.cpp', '"src/convert/a.h"', 'src/bench may include'),
    ('formats/imp/a.h', '"src/model/a.h"', 'formats/imp may include'),
    ('formats/imp/a.h', '"src/quant/a.h"', 'formats/imp may include'),
    ('kernels/layouts/a.h', '<vector>', 'only <cstdint> and <array>'),
    ('kernels/layouts/a.h', '"src/base/a.h"', 'kernels/layouts may include nothing of ours'),
    ('kernels/gemm/a.cu', '"kernels/layouts/a.h"', 'kernels/gemm may include'),
    ('kernels/gemm/a.cu', '"kernels/repack/a.h"', 'kernels/gemm may include'),
    ('kernels/gemm/a.cu', '"src/plan/a.h"', 'kernels/gemm may include'),
    ('kernels/gemm/a.cpp', '<cuda_runtime.h>', 'CUDA headers stay inside'),
    ('kernels/gemm/a.h', '<cuda_runtime.h>', 'never in a .h'),
    ('kernels/cuda/a.cu', '"kernels/gemm/a.h"', 'kernels/cuda may include'),
    ('kernels/activation/a.cu', '"kernels/layouts/a.h"', 'kernels/activation may include'),
    ('kernels/dequant/a.cu', '"kernels/layouts/a.h"', 'kernels/dequant may include'),
    ('kernels/repack/a.cu', '"kernels/gemm/a.h"', 'kernels/repack may include'),
    ('kernels/repack/a.h', '<cuda_fp16.h>', 'never in a .h'),
    ('kernels/bench/a.cu', '"kernels/gemm/a.h"', 'kernels/bench may include'),
    ('src/base/a.h', '<cuda_runtime.h>', 'CUDA headers stay inside'),
    ('kernels/cpu/a.cpp', '"kernels/layouts/a.h"', 'kernels/cpu may include'),
    ('tools/a.cpp', '"formats/imp/a.h"', 'tools may include'),
    ('tools/a.cpp', '"kernels/layouts/a.h"', 'tools may include'),
    ('tools/a.cpp', '"kernels/gemm/a.h"', 'tools may include'),
    ('src/verify/a.cpp', '"src/version.h"', 'src is not in the table'),
    ('tests/reference/a.cpp', '"src/base/a.h"', 'tests/reference may include nothing of ours'),
    ('tests/reference/a.cpp', '<nlohmann/json.hpp>', 'only the standard library'),
    ('src/base/a.h', '"b.h"', 'named from the root'),
    ('src/base/a.h', '<src/quant/a.h>', 'src/base may include nothing of ours'),
    ('src/base/a.h', '"src/base/../quant/a.h"', 'without . and ..'),
    ('src/base/a.h', '"src/other/a.h"', 'src/other is not in the table'),
    ('src/base/a.h', 'HEADER', 'an include is written'),
]


class CheckIncludes(unittest.TestCase):
    def problems(self, tree):
        with tempfile.TemporaryDirectory() as root:
            for path, text in tree.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), 'w', encoding='utf-8') as file:
                    file.write(text)
            return check_includes.check(root)[1]

    def test_the_tree_passes(self):
        self.assertEqual(self.problems(PASSING), [])

    def test_one_changed_include_fails_at_its_line(self):
        for path, spelling, rule in FORBIDDEN:
            with self.subTest(path=path, include=spelling):
                lines = PASSING[path].split('\n')
                lines[0] = f'#  include {spelling}'
                problems = self.problems({**PASSING, path: '\n'.join(lines)})
                self.assertEqual(len(problems), 1, problems)
                self.assertIn(f'{path}:1: includes {spelling}: ', problems[0])
                self.assertIn(rule, problems[0])

    def test_a_folder_outside_the_table_fails(self):
        problems = self.problems({**PASSING, 'src/new/a.cpp': '\n#include <string>\n'})
        self.assertEqual(len(problems), 1)
        self.assertTrue(problems[0].startswith('src/new/a.cpp:2: '), problems)

    def test_comments_are_not_includes(self):
        text = '// #include "tools/a.h"\n/*\n#include "tools/a.h"\n*/\n'
        self.assertEqual(self.problems({**PASSING, 'src/base/c.h': text}), [])

    def test_lines_after_a_comment_keep_their_number(self):
        text = '/* one\n   two */ \n#include "tools/a.h"  // why\n'
        problems = self.problems({**PASSING, 'src/base/c.h': text})
        self.assertEqual(len(problems), 1)
        self.assertTrue(problems[0].startswith('src/base/c.h:3: includes "tools/a.h"'), problems)


if __name__ == '__main__':
    unittest.main()
