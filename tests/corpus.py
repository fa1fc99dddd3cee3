"""A small real corpus for tests: folders with licences, built by the real builder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stack_data.build import BuildResult, build
from stack_data.config_file import load

MIT = """MIT License

Copyright (c) 2020 Jane Doe

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""

FILES: dict[str, dict[str, bytes]] = {
    "permissive": {
        "LICENSE": MIT.encode(),
        "a.py": b"# Copyright 2019 Jane Doe\nimport os\n\n\ndef first():\n    return os.name\n",
        "lib/b.c": b"#include <stdio.h>\nint main(void) { return 0; }\n",
        "lib/same.c": b"#include <stdio.h>\nint main(void) { return 0; }\n",
        "gpl_header.c": b"// SPDX-License-Identifier: GPL-3.0-only\nint gpl;\n",
        "latin.py": "# Gr\u00fc\u00dfe an alle, Stra\u00dfe, \u00dcbung, sch\u00f6n\nx = 'caf\u00e9'\n".encode(
            "latin-1"
        ),
        "third_party/bare/c.c": b"int bare;\n",
        "logo.png": b"\x89PNG\r\n\0\0",
        "blank.py": b" \n\n",
        "model.bin.txt": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        "noise.dat.py": bytes(range(128, 160)) * 40 + b"\xff\x81\x8d",
        "what.unknownending": b"no language has this\n",
        "unicode.py": "x = '\u4f60\u597d \U0001f600'\n".encode(),
    },
    "copyleft": {
        "COPYING": b"This program is free software: you can redistribute it under the terms of the GNU General Public "
        b"License as published by the Free Software Foundation, either version 3 of the License, or any later version.\n",
        "g.py": b"def copyleft():\n    return 1\n",
        "shared.py": b"def shared_with_others():\n    return 'the very same bytes'\n",
    },
    "other": {
        "package.json": b'{"name": "x", "license": "Apache-2.0"}\n',
        "index.js": b"module.exports = function () { return 1 }\n",
        "shared.py": b"def shared_with_others():\n    return 'the very same bytes'\n",
        "a.py": b"# Copyright 2019 Jane Doe\nimport os\n\n\ndef first():\n    return os.name\n",
    },
    "unlicensed": {"u.py": b"def nobody_said():\n    return 0\n"},
    "altered": {
        "LICENSE": MIT.replace("without restriction", "without restriction for non-commercial purposes").encode(),
        "n.py": b"def altered_text():\n    return 0\n",
    },
}


def make_folders(root: Path) -> Path:
    """Write the folders of FILES below `root`."""
    for folder, files in FILES.items():
        for name, content in files.items():
            path = root / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def config_text(name: str = "small", folders: tuple[str, ...] = tuple(FILES), extra: str = "") -> str:
    """Return a configuration with a directory source per folder."""
    sources = "".join(f'\n[[source]]\nname = "{one}"\nkind = "directory"\npath = "{one}"\n' for one in folders)
    # Small parts and row groups, so that there is more than one of each.
    return (
        f'name = "{name}"\ndate = 2026-01-02\n{sources}\n[fetch]\npart_rows = 4\n\n'
        f"[release]\nrow_group_rows = 2\nshard_bytes = 150\nvalidation_bytes = 0\n{extra}"
    )


def write_config(root: Path, name: str = "small", extra: str = "", folders: tuple[str, ...] = tuple(FILES)) -> Path:
    """Write folders and configuration; return the configuration's path."""
    make_folders(root)
    path = root / f"{name}.toml"
    path.write_text(config_text(name, folders, extra))
    return path


def make(config: Path, builds: str = "build", **values: object) -> BuildResult:
    """Build in this process, in a folder beside the configuration; `license__places="any"` overrides license.places."""
    overrides = [f"{key.replace('__', '.')}={value}" for key, value in values.items()]
    return build(load(config, [f'run.builds="{config.parent}/{builds}"', *overrides]), config.parent)


def fairstack(*words: str | Path, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, in a process of its own."""
    import os

    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "fairstack", *map(str, words)], cwd=cwd, capture_output=True, text=True,
        env=os.environ | environment, check=False, timeout=300,
    )  # fmt: skip
