"""Copy an app under a new name: its package, its data pipeline and its tests.

    make new-app FROM=captioning NAME=signs
    make train-signs ARGS="--preset smoke"

The word `captioning` becomes `signs` wherever the copied files have it, in
names of files, modules and targets as in prose, and in the paths of templates.
Nothing else changes.
"""

import dataclasses
import keyword
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from apps.common import cli
from apps.common.terminal import echo

ROOT = Path(__file__).parents[2]
FOLDERS = ("apps", "data_pipelines", "tests/apps", "tests/data_pipelines")


@dataclasses.dataclass(frozen=True)
class Options:
    """Copy an app under a new name."""

    source: str = cli.flag("", "name of the app to copy")
    name: str = cli.flag("", "name of the copy: small letters, digits and _")


def copy(source: str, name: str, root: Path = ROOT) -> list[Path]:
    """Copy an app with its data pipeline and tests; return the new folders.

    Raises:
        UserError: There is no such app, or the name is none for an app.
    """
    apps = sorted(path.parent.name for path in root.glob("apps/*/train.py"))
    if source not in apps:
        raise cli.UserError(
            f"FROM={source}: no such app; the apps are {', '.join(apps)}"
        )
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise cli.UserError(
            f"NAME={name}: not a name for a module; expected small letters,"
            " digits and _, such as sign_language"
        )
    targets = [root / folder / name for folder in FOLDERS]
    for target in targets:
        if target.exists():
            raise cli.UserError(
                f"NAME={name}: {target.relative_to(root)} exists"
            )
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=root) as temporary:
        for folder in FOLDERS:
            shutil.copytree(
                root / folder / source,
                Path(temporary) / folder / name,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        for path in [p for p in Path(temporary).rglob("*") if p.is_file()]:
            _rename(path, source, name)
        for folder, target in zip(FOLDERS, targets, strict=True):
            (Path(temporary) / folder / name).rename(target)
    _format(root, targets)
    return targets


def _rename(path: Path, source: str, name: str) -> None:
    """Put the new name in the place of the old one, inside and in the path."""
    if path.suffix == ".jinja":  # other words of it are the field's
        text = path.read_text("utf-8").replace(f'"{source}/', f'"{name}/')
        path.write_text(text, "utf-8")
    if path.suffix in (".py", ".md"):
        text = path.read_text("utf-8")
        for form in (str, str.capitalize, _dashed):
            text = _replaced(form(source), form(name), text)
        path.write_text(text, "utf-8")
    path.rename(path.with_name(_replaced(source, name, path.name)))


def _replaced(old: str, new: str, text: str) -> str:
    """Return a text with a new word; `_` and `-` end a word, too."""
    return re.sub(rf"(?<![^\W_]){old}(?![^\W_])", new, text)


def _dashed(name: str) -> str:
    """Return a name as targets of `make` have it."""
    return name.replace("_", "-")


def _format(root: Path, folders: list[Path]) -> None:
    """Sort imports by their new names, and break lines anew."""
    ruff = [sys.executable, "-m", "ruff"]
    paths = list(map(str, folders))
    for command in (["check", "--fix", "--select", "I"], ["format"]):
        subprocess.run(
            [*ruff, *command, "--quiet", *paths], cwd=root, check=True
        )


def main(options: Options) -> None:
    """Copy the app, and say what to do next."""
    for folder in copy(options.source, options.name):
        echo(folder.relative_to(ROOT))
    echo(f'\nnext\n  make train-{_dashed(options.name)} ARGS="--preset smoke"')


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
