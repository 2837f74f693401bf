#!/usr/bin/env python3
"""Which folder may include which: the project's architecture as a table, enforced.

usage: check_includes.py [ROOT]
Reads every source under src/ formats/ kernels/ tools/ tests/reference and prints one line per include that
breaks a rule: FILE:LINE: includes WHAT: RULE. Exit 0 if there is none. Standard library only."""
import os
import re
import sys

FORMATS = {'formats/safetensors', 'formats/hf', 'formats/imp', 'formats/gguf'}
ENGINE = {'src/base', 'src/quant', 'src/model', 'src/plan', 'src/repack', 'kernels/layouts', 'kernels/cuda', 'kernels/repack'} | FORMATS

# Folder -> folders whose headers it may include. Its own headers are always allowed; the standard library and
# well-kept libraries are free but where a rule below says otherwise.
MAY_INCLUDE = {
    'src/base': set(),
    'src/quant': {'src/base'},
    'src/model': {'src/base', 'src/quant', 'src/model/gguf'} | FORMATS,
    'src/model/gguf': {'src/base', 'src/quant', 'src/model'} | FORMATS,
    'src/transcode': {'src/base', 'src/quant', 'src/model'},
    'src/plan': {'src/base', 'src/quant', 'src/model', 'kernels/layouts', 'formats/imp'},
    'src/repack': {'src/base', 'src/quant', 'src/plan', 'kernels/layouts'},
    'src/convert': ENGINE | {'src/transcode'},
    'src/unpack': {'src/base', 'src/quant', 'src/model', 'src/repack', 'kernels/layouts'} | FORMATS,
    'src/inspect': {'src/base', 'src/quant', 'src/model'} | FORMATS,
    'src/verify': {'src/base', 'src/quant', 'src/model', 'src/transcode', 'kernels/layouts', 'kernels/cpu',
                   'kernels/cuda', 'kernels/gemm', 'kernels/activation', 'kernels/dequant'} | FORMATS,
    'kernels/layouts': set(),
    'kernels/readers': {'src/base'},
    'kernels/cpu': {'src/base', 'kernels/readers'},
    'kernels/cuda': {'src/base'},
    'kernels/gemm': {'src/base', 'kernels/cuda', 'kernels/readers'},
    'kernels/bench': {'src/base', 'kernels/cuda'},
    'kernels/activation': {'src/base', 'kernels/cuda', 'kernels/gemm'},
    'kernels/dequant': {'src/base', 'kernels/cuda', 'kernels/gemm', 'kernels/readers'},
    'kernels/repack': {'src/base', 'kernels/cuda', 'kernels/layouts'},
    'src/bench': {'src/base', 'src/repack', 'kernels/cpu', 'kernels/readers', 'kernels/cuda', 'kernels/gemm', 'kernels/activation', 'kernels/dequant',
                  'kernels/repack', 'kernels/bench'},
    'tools': {'src/bench', 'src/base', 'src/plan', 'src/convert', 'src/unpack', 'src/inspect', 'src/verify'},
    'tests/reference': set(),
}
MAY_INCLUDE.update({folder: {'src/base'} | FORMATS for folder in FORMATS})

# Single headers of other folders: the generated version number, and the registries that the command line spells out.
MAY_INCLUDE_HEADER = {
    'kernels/readers': {'src/quant/ggml_grid_points.h'},  # nothing but data
    'src/convert': {'src/version.h'},
    'tools': {'src/version.h', 'formats/imp/targets.h', 'kernels/layouts/registry.h', 'kernels/layouts/layout_facts.h'},
}

ROOTS = ('src', 'formats', 'kernels', 'tools', 'tests/reference')
NOT_CODE = ('.md', '.txt', '.cmake', '.py', '.json', '.in')
LAYOUT_HEADERS = {'cstdint', 'array'}
CUDA_HEADER = re.compile(r'(cuda|cublas|curand|nvrtc|cooperative_groups|device_launch_parameters|mma\.h|cute/|cutlass/|thrust/|cub/)')
DIRECTIVE = re.compile(r'^\s*#\s*(?:include_next|include|import)\b\s*(.*?)\s*$')
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def without_comments(text):
    """Comments become blanks of the same number of lines; string literals stay."""
    def blank(match):
        return match.group() if match.group().startswith('"') else ' ' + '\n' * match.group().count('\n')
    return COMMENT.sub(blank, text)


def includes_of(text):
    """Yields (line number, what follows #include)."""
    for number, line in enumerate(without_comments(text).split('\n'), 1):
        match = DIRECTIVE.match(line)
        if match:
            yield number, match.group(1)


def broken_rule(path, spelling):
    """The rule that the include `spelling` in the file `path` breaks, or None."""
    folder = os.path.dirname(path)
    if folder not in MAY_INCLUDE:
        return f'folder {folder} is not in the table of scripts/check_includes.py'
    if not re.fullmatch(r'"[^"]+"|<[^>]+>', spelling):
        return 'an include is written "folder/file.h" or <library>'
    name = spelling[1:-1]
    if name.startswith(('src/', 'formats/', 'kernels/', 'tools/', 'tests/')):
        return broken_own_rule(path, folder, name)
    if spelling.startswith('"'):
        return 'quotes are for our own headers, named from the root of the repository; libraries take <>'
    if folder == 'kernels/layouts' and name not in LAYOUT_HEADERS:
        return 'kernels/layouts is used on the device: only <cstdint> and <array>'
    if folder == 'tests/reference' and not re.fullmatch(r'[a-z0-9_]+', name):
        return 'tests/reference may include only the standard library'
    if CUDA_HEADER.match(name) and not (folder.startswith('kernels') and path.endswith(('.cu', '.cuh'))):
        return 'CUDA headers stay inside the sources of kernels (never in a .h)'
    return None


def broken_own_rule(path, folder, name):
    target = os.path.dirname(name)
    if os.path.normpath(name) != name:
        return 'a path without . and .. is wanted'
    if target == folder or name in MAY_INCLUDE_HEADER.get(folder, ()):
        return None
    if target not in MAY_INCLUDE:
        return f'folder {target} is not in the table of scripts/check_includes.py'
    allowed = MAY_INCLUDE[folder]
    if target not in allowed:
        return f'{folder} may include ' + (', '.join(sorted(allowed)) or 'nothing of ours')
    return None


def sources(root):
    for top in ROOTS:
        for folder, subfolders, names in os.walk(os.path.join(root, top)):
            subfolders.sort()
            for name in sorted(names):
                if not name.endswith(NOT_CODE):
                    yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, '/')


def check(root):
    """(number of files read, lines for the broken rules)"""
    problems, num_files = [], 0
    for path in sources(root):
        num_files += 1
        with open(os.path.join(root, path), encoding='utf-8') as file:
            for line, spelling in includes_of(file.read()):
                rule = broken_rule(path, spelling)
                if rule:
                    problems.append(f'{path}:{line}: includes {spelling}: {rule}')
    return num_files, problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), '..')
    num_files, problems = check(root)
    for problem in problems:
        print(problem)
    if not num_files:
        sys.exit(f'{root}: no source found')
    print(f'{num_files} files, {len(problems)} broken include rules')
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
