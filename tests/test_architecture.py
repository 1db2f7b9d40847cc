"""The plan of the house, kept by a machine.

One task has one name in four places; arrows point down only; what is copied
from app to app stays equal; every command in a README is a real one.
"""

import ast
import contextlib
import dataclasses
import functools
import importlib
import io
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from apps.common import cli, transfer

ROOT = Path(__file__).parents[1]
APPS = sorted(
    path.parent.name
    for path in (ROOT / "apps").glob("*/__init__.py")
    if path.parent.name != "common"
)
# The others train no recurrent network.
RECURRENT = [
    app
    for app in APPS
    if "cell:" in (ROOT / "apps" / app / "config.py").read_text()
]
FILES = {
    "README.md",
    "__init__.py",
    "config.py",
    "evaluate.py",
    "export.py",
    "model.py",
    "predict.py",
    "train.py",
}
HEADINGS = [
    "# 1. Run folder.",
    "# 2. Data.",
    "# 3. Model.",
    "# 4. Objective.",
    "# 5. Training.",
    "# 6. Test, with the best weights.",
]
OURS = {"apps", "benchmarks", "data_pipelines", "rnn_layers", "tests"}
PYTHON = sorted(
    path for folder in sorted(OURS) for path in (ROOT / folder).rglob("*.py")
)
# Folders that no page of the project is in; those with a dot are not either.
PRODUCTS = {"runs", "data"}
PAGES = sorted(
    [*ROOT.glob("*.md")]
    + [
        path
        for folder in ROOT.glob("[!.]*/")
        if folder.name not in PRODUCTS
        for path in folder.rglob("*.md")
    ]
)


def name(path):
    return str(path.relative_to(ROOT))


# The grid.


def test_there_are_apps():
    assert "sentiment" in APPS


@pytest.mark.parametrize("app", APPS)
def test_a_task_has_one_name_in_four_places(app):
    files = {path.name for path in (ROOT / "apps" / app).iterdir()}
    assert files >= FILES
    for path in (
        f"data_pipelines/{app}/pipeline.py",
        f"data_pipelines/{app}/datasets.py",
        f"data_pipelines/{app}/demo/generator.py",
        f"tests/apps/{app}/test_{app}.py",
        f"tests/data_pipelines/{app}/test_pipeline.py",
    ):
        assert (ROOT / path).exists(), path
    assert f"train-{app.replace('_', '-')}" in targets()


def test_every_room_is_known():
    """A new folder needs a row in the table of arrows, or is an app's."""
    rooms = {room(path) for path in PYTHON}
    assert rooms <= {*ALLOWED, "tests", "benchmarks"}


@pytest.mark.parametrize("app", APPS)
def test_every_pipeline_keeps_its_contract(app):
    pipeline = importlib.import_module(f"data_pipelines.{app}.pipeline")
    assert {"demo", "demo_small", "files"} <= set(pipeline.SOURCES)
    for heading in ("Record ", "Files ", "Batch "):
        assert "\n" + heading in "\n" + pipeline.__doc__


@pytest.mark.parametrize("app", APPS)
def test_train_has_the_six_steps(app):
    text = (ROOT / "apps" / app / "train.py").read_text()
    steps = re.findall(r"^ *(# \d\. .*)$", text, re.MULTILINE)
    assert steps == HEADINGS


# Imports.


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


def imports(path):
    """Yields (module, level) of every import in a file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                yield module, node.level
                continue
            for alias in node.names:
                yield f"{module}.{alias.name}", 0


# Room -> what it may import beside itself.  Arrows point down only.
FILES_AND_TEXT = {"data_pipelines.files", "data_pipelines.text"}
TOOLKITS = {*FILES_AND_TEXT, "data_pipelines.vision", "data_pipelines.batching"}
ALLOWED = {
    "rnn_layers.cells": set(),
    "rnn_layers.engine": {"rnn_layers.cells.base"},
    "rnn_layers.layers": {"rnn_layers.cells", "rnn_layers.engine"},
    "rnn_layers": {"rnn_layers.cells", "rnn_layers.layers"},  # convert
    "data_pipelines": set(),
    "data_pipelines.files": set(),
    "data_pipelines.text": {"data_pipelines.files"},
    "data_pipelines.vision": {"data_pipelines.files"},
    "data_pipelines.batching": FILES_AND_TEXT,
    "apps": set(),
    "apps.common": TOOLKITS,
    **{f"data_pipelines.{app}": TOOLKITS for app in APPS},
    **{
        f"apps.{app}": {
            "apps.common",
            "rnn_layers",
            f"data_pipelines.{app}",
            *TOOLKITS,
        }
        for app in APPS
    },
}


def room(path):
    """Return the folder that answers for a file: two levels at the most."""
    parts = path.relative_to(ROOT).parts[:-1]
    return (
        parts[0] if parts[0] in {"tests", "benchmarks"} else ".".join(parts[:2])
    )


ROOMS = {}  # room -> its files
for path in PYTHON:
    ROOMS.setdefault(room(path), []).append(path)


def inside(module, base):
    return module == base or module.startswith(base + ".")


@pytest.mark.parametrize("here", ROOMS)
def test_arrows_point_down_only(here):
    for path in ROOMS[here]:
        for module, level in imports(path):
            # Two dots would reach a neighbour.
            assert level <= 1, f"{name(path)} imports from above: {module}"
            if here not in ALLOWED or level or module.split(".")[0] not in OURS:
                continue
            bases = {here, *ALLOWED[here]}
            assert any(inside(module, base) for base in bases), (
                f"{name(path)} imports {module}"
            )


@pytest.mark.parametrize("here", ROOMS)
def test_nothing_private_of_keras_is_imported(here):
    for path in ROOMS[here]:
        for module, _ in imports(path):
            assert not module.startswith("keras.src"), name(path)


def test_the_library_is_keras_alone():
    """TensorFlow is known to the engine, and only behind the backend's name."""
    for path in (ROOT / "rnn_layers").rglob("*.py"):
        if room(path) != "rnn_layers.engine":
            modules = {module.split(".")[0] for module, _ in imports(path)}
            assert not modules & {"tensorflow", "jax", "torch"}, name(path)


def statements(function):
    """Count the statements of a function, its docstring and itself left out."""
    return sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - (
        2 if ast.get_docstring(function) else 1
    )


@pytest.mark.parametrize("here", ROOMS)
def test_functions_are_short(here):
    """Statements are counted, not lines: nothing is gained by squeezing."""
    for path in ROOMS[here]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef):
                # A training is read from top to bottom: that is its form.
                most = 60 if node.name == "train" else 40
                length = statements(node)
                assert length <= most, f"{name(path)}: {node.name} has {length}"


# Configuration.


@pytest.mark.parametrize("app", APPS)
def test_configurations_are_flat_and_frozen(app):
    config = importlib.import_module(f"apps.{app}.config")
    assert config.Config.__dataclass_params__.frozen
    fields = dataclasses.fields(config.Config)
    assert all(f.type in (bool, int, float, str) for f in fields)
    names = {field.name for field in fields}
    assert {"name", "dataset", "data_path", "epochs", "seed"} <= names
    if app in RECURRENT:
        assert {"cell", "jit_compile", "mixed_precision"} <= names
    else:
        assert "model" in names
    for preset in config.PRESETS.values():
        assert set(preset) <= names
    assert config.PRESETS["smoke"]["dataset"] == "demo_small"


def test_fields_of_the_same_name_have_one_type():
    types = {}
    for app in APPS:
        config = importlib.import_module(f"apps.{app}.config").Config
        for field in dataclasses.fields(config):
            assert types.setdefault(field.name, field.type) == field.type


def test_a_renamed_flag_has_a_field_by_its_new_name_alone():
    for app, names in cli.RENAMED.items():
        if not app:
            continue
        config = importlib.import_module(f"apps.{app}.config").Config
        fields = {field.name for field in dataclasses.fields(config)}
        assert set(names.values()) <= fields
        assert not set(names) & fields


# Commands in the READMEs.


@functools.cache
def targets():
    """Names of the Makefile's targets, as `make` alone prints them."""
    # Not as a part of the `make` that may have started these tests.
    environment = {k: v for k, v in os.environ.items() if "MAKE" not in k}
    printed = subprocess.run(
        ["make", "help"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    apps = re.search("APP is one of: (.*)", printed)[1].split(", ")
    return [
        target.replace("APP", app)
        for target in re.findall(r"^  (\S+)", printed, re.MULTILINE)
        for app in (apps if "APP" in target else apps[:1])
    ]


# Commands that all apps share.
SHARED = {
    "results": "apps.common.results",
    "publish": "apps.common.publish",
    "report": "apps.common.redraw",
    "demo": "apps.common.serving.server",
    "bench-serving": "benchmarks.serving",
    "bench-word-vectors": "benchmarks.word_vectors",
}

# Commands that have the flags of a training, and more.
OF_TRAINING = {"check": "apps.common.check", "sweep": "apps.common.sweep"}


def commands():
    """Every command of every page, with its page and line."""
    for page in PAGES:
        text = page.read_text()
        for number, line in enumerate(text.splitlines(), 1):
            for command in re.findall(
                r"(?:^ *|`)((?:make|python -m) [^`\n]+)", line
            ):
                yield pytest.param(command, id=f"{name(page)}:{number}")


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_in_a_readme_is_real(command, monkeypatch):
    # The runs that pages go on from are not there.
    monkeypatch.setattr(transfer, "completed", lambda cls, flags, given: flags)
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        variables = dict(word.split("=", 1) for word in words if "=" in word)
        assert set(variables) <= {
            "ARGS",
            "TENSORFLOW",
            "PYTHON",
            "FROM",
            "NAME",
        }
        arguments = shlex.split(variables.get("ARGS", ""))
        if "<" in words:
            words = words[: words.index("<")]
        for target in (w for w in words[1:] if "=" not in w):
            # The copy that CONTRIBUTING makes has the flags of its model.
            target = target.replace("-signs", "-captioning")
            assert target in [*targets(), "<target>"]
            verb, _, app = target.partition("-")
            if verb in OF_TRAINING:
                more = importlib.import_module(OF_TRAINING[verb]).Options
                check_training_flags(app.replace("-", "_"), arguments, more)
            elif target in SHARED or verb in SHARED:
                check_flags(SHARED.get(target) or SHARED[verb], arguments)
            elif app.replace("-", "_") in APPS:
                check_flags(f"apps.{app.replace('-', '_')}.{verb}", arguments)
    elif words[2].startswith("apps."):
        check_flags(words[2], [w for w in words[3:] if w not in ("<", "|")])
    else:
        assert importlib.util.find_spec(words[2])


def check_training_flags(app, arguments, more=None):
    """Parses arguments as a training would, or what has more flags."""
    config = importlib.import_module(f"apps.{app}.config")
    options = cli.with_flags(config.Config, more) if more else config.Config
    check_parsed(options, config.PRESETS, arguments)


def check_flags(module, arguments):
    """Parses arguments as the module itself would."""
    package, _, verb = module.rpartition(".")
    if verb == "train":
        check_training_flags(package.rpartition(".")[2], arguments)
    elif module in OF_TRAINING.values():
        more = importlib.import_module(module).Options
        _, app, *arguments = arguments  # --app
        check_training_flags(app, arguments, more)
    else:
        check_parsed(importlib.import_module(module).Options, None, arguments)


def check_parsed(options, presets, arguments):
    printed = io.StringIO()
    try:
        with (
            contextlib.redirect_stderr(printed),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            cli.parse(options, presets, arguments)
    except SystemExit as end:  # --help ends with 0
        if end.code:
            pytest.fail(printed.getvalue())


def test_every_target_is_explained_somewhere():
    text = "\n".join(page.read_text() for page in PAGES)
    for target in targets():
        verb, dash, _ = target.partition("-")
        # Of a command that all apps share one page speaks.
        shared = verb in {**SHARED, **OF_TRAINING}
        known = f"make {verb}{dash}" if shared else f"make {target}"
        assert known in text, target


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_front_pages_are_short(page):
    assert len((ROOT / page).read_text().splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_and_path_of_a_page_exists(page):
    text = page.read_text()
    for link, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        target = page.parent / link if link else page
        assert target.exists(), link
        if anchor:
            headings = re.findall("^#+ (.*)$", target.read_text(), re.MULTILINE)
            words = (re.sub(r"[^\w -]", "", line.lower()) for line in headings)
            assert anchor in {line.replace(" ", "-") for line in words}, anchor
    roots = [page.parent, ROOT, ROOT / "rnn_layers", ROOT / "data_pipelines"]
    for path in re.findall(r"`(\w+/[\w/]+\.py)`", text):
        assert any((root / path).exists() for root in roots), path


def test_the_project_speaks_of_itself_alone():
    """No machine paths in what is published."""
    for path in [*PYTHON, *PAGES, ROOT / "Makefile", ROOT / ".ci/run"]:
        assert not re.search(
            r"(?<![\w.])/(?:work|home|root)/", path.read_text()
        )
