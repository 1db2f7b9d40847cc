"""The flags of every command: parsed at once, bounded, of use, explained."""

import contextlib
import dataclasses
import importlib
import io
import json
import math
import subprocess
import sys

import pytest

import rnn_layers
from apps.common import cli, encoders, new_app, publish, redraw, results
from apps.common.serving import server
from apps.video_labeling import scores
from data_pipelines.text import tokenizers
from data_pipelines.vision import images
from tests.apps.tools import ROOT
from tests.test_architecture import APPS, RECURRENT


def flag_classes():
    """Yield every dataclass of flags, with its presets."""
    yield results.Options, None
    yield new_app.Options, None
    yield publish.Options, None
    yield redraw.Options, None
    yield server.Options, None
    for app in APPS:
        module = importlib.import_module(f"apps.{app}.config")
        yield module.Config, module.PRESETS
        for name, options in vars(module).items():
            if name.endswith("Options"):
                yield options, None


FIELDS = [
    (options, field)
    for options, _ in flag_classes()
    for field in dataclasses.fields(options)
    if field.metadata and not field.metadata.get("positional")
]


def different_fields():
    """Yield all flags, those that several commands have alike once."""
    known = set()
    for options, field in FIELDS:
        about = {k: v for k, v in field.metadata.items() if k != "help"}
        traits = field.name, field.type, field.default, repr(about)
        if traits not in known:
            known.add(traits)
            identity = f"{options.__module__}:{field.name}"
            yield pytest.param(options, field, id=identity)


def parsed(options, *words, presets=None):
    """Return the configuration, or status, output and errors."""
    out, errors = io.StringIO(), io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            return cli.parse(options, presets, words)
    except SystemExit as end:
        return end.code, out.getvalue(), errors.getvalue()


def refused(module, options, line):
    """Return what is said of a line that can be read but not be."""
    options = getattr(importlib.import_module(module), options)
    with pytest.raises(cli.UserError) as error:
        cli.check(cli.parse(options, None, line.split()), line.split())
    return str(error.value)


@pytest.mark.parametrize("app", APPS)
def test_the_configuration_of_a_run_repeats_it(app, tmp_path):
    module = importlib.import_module(f"apps.{app}.config")
    assert {"smoke", "limit"} <= module.PRESETS.keys()
    assert "overfit" in module.PRESETS or app not in RECURRENT
    fields = {field.name for field in dataclasses.fields(module.Config)}
    for preset in ("", *module.PRESETS):
        words = ["--epochs", "7", "--seed", "5"]
        for name, value in {"units": "7", "dropout": "0.25"}.items():
            words += [cli.dashed(name), value] if name in fields else []
        words += ["--preset", preset] if preset else []
        config = cli.parse(module.Config, module.PRESETS, words)
        path = tmp_path / "config.json"
        record = {"app": app, "config": dataclasses.asdict(config)}
        path.write_text(json.dumps(record))
        repeated = cli.parse(
            module.Config, module.PRESETS, ["--config", str(path)]
        )
        assert repeated == config
        cli.check(repeated, ["--config", str(path)])


@pytest.mark.parametrize("app", APPS)
def test_what_can_be_trained_can_be_read_from_a_run(app):
    module = importlib.import_module(f"apps.{app}.config")
    for preset in ({}, *module.PRESETS.values()):
        config = module.Config(**preset)
        written = json.loads(json.dumps(dataclasses.asdict(config)))
        assert cli.restored(module.Config, written) == config


# Before TensorFlow.

COMMANDS = [
    ("apps.common.results", "--runs-path", "nowhere"),
    ("apps.common.new_app", "--nam", "x"),
    *(
        (f"apps.{app}.{path.stem}", *words)
        for app in APPS
        for path in sorted((ROOT / "apps" / app).glob("*.py"))
        if "cli.command(" in path.read_text()
        for words in (["--help"], ["--hepl"], ["--runs-path", "nowhere"])
        if path.stem != "train" or "nowhere" not in words
    ),
    *(
        (f"apps.{app}.train", *words)
        for app in APPS
        for words in (
            *[["--cell", "peephole_lstn"]] * (app in RECURRENT),
            ["--dataset", "files"],
            ["--dataset", "files", "--data-path", "nowhere"],
            ["--data-path", "."],
            ["--download"],
            ["--name", "a/b"],
            ["--name", "x" * 300],
            ["--cache-path", "/dev/null/x"],
        )
    ),
    ("apps.captioning.train", "--encoder", "nowhere.keras"),
    ("apps.sentiment.train", "--vectors", "nowhere.txt"),
]
SCRIPT = """
import contextlib, io, json, runpy, sys
ends = []
for module, *words in json.load(sys.stdin):
    sys.argv = [module.replace(".", "/") + ".py", *words]
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            runpy.run_module(module, run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code
    ends.append((code, out.getvalue(), errors.getvalue()))
heavy = {"keras", "tensorflow", "sklearn", "matplotlib", "pyarrow"}
print(json.dumps([sorted(heavy & set(sys.modules)), ends]))
"""


def test_help_and_mistakes_come_before_tensorflow():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        input=json.dumps(COMMANDS),
        capture_output=True,
        text=True,
        check=True,
    )
    heavy, ends = json.loads(done.stdout)
    assert heavy == []
    for command, (code, out, errors) in zip(COMMANDS, ends, strict=True):
        if "--help" in command:
            assert (code, errors) == (0, "")
            assert out.count("\n") <= 100, command
        else:
            assert (code, out) == (2, ""), command
            assert errors.startswith("error: "), command
            assert errors.count("\n") == 1, command
        if "--cell" in command:
            assert "did you mean peephole_lstm?" in errors
        if "--hepl" in command:
            assert "did you mean --help?" in errors


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("rnn_layers.cells.catalogue", "CELLS", rnn_layers.names()),
        ("data_pipelines.text.tokenizers", "KINDS", tokenizers.KINDS),
        ("data_pipelines.vision.images", "MODES", images.MODES),
        ("apps.common.encoders", "PIXELS", encoders.PIXELS),
        ("apps.common.encoders", "APPLICATIONS", encoders.APPLICATIONS),
        ("apps.video_labeling.scores", "METRICS", scores.METRICS),
        *(
            (
                f"data_pipelines.{app}.pipeline",
                "SOURCES",
                importlib.import_module(f"data_pipelines.{app}").SOURCES,
            )
            for app in APPS
        ),
    ],
)
def test_names_read_without_importing_are_those_imported(module, name, value):
    assert list(cli.constant(module, name)) == list(value)


# Absurd values.


def test_every_number_has_bounds():
    for _, field in FIELDS:
        if field.type in (int, float):
            about, name = field.metadata, field.name
            most, below = about["at_most"], about["below"]
            assert about["at_least"] is not None, name
            assert None in (most, below), name
            most = most if below is None else below
            assert about["at_least"] <= field.default <= most, name


@pytest.mark.parametrize(("options", "field"), list(different_fields()))
def test_absurd_values_are_refused_in_one_line(options, field):
    low, large = field.metadata["at_least"], "1" + 24 * "0"
    absurd = ["x" * 5000, "a\nb", "\0"]
    if field.type in (int, float):
        absurd += ["", "nan", "inf", "-inf", large, "-" + large, "1e999", "x"]
        absurd += [str(low - 1), str(low - 1e-3)]
        absurd += ["٣x", "9" * 5000]
    if field.type is bool:
        absurd += ["", "2", "maybe"]
    if field.metadata["choices"]:
        absurd += ["0", "-1", "nan", large]
    if field.type is str and field.default:
        absurd += [""] if low or field.metadata["choices"] else []
    for word in absurd:
        code, out, errors = parsed(options, f"{cli.dashed(field.name)}={word}")
        assert (code, out) == (2, ""), word
        assert cli.dashed(field.name) in errors
        assert errors.count("\n") == 1
        assert len(errors) < 1000


def test_every_default_is_allowed():
    for options, field in FIELDS:
        words = [f"{cli.dashed(field.name)}={field.default}"]
        words = words if field.default != () else []  # of several words none
        config = parsed(options, *words)
        assert getattr(config, field.name) == field.default
        assert not isinstance(field.default, float) or math.isfinite(
            field.default
        )


# What does nothing, and what excludes each other.

FILE = "tests/conftest.py"


@pytest.mark.parametrize(
    ("module", "options", "line", "message"),
    [
        ("sentiment", "Config", "--download", "no effect with --dataset demo"),
        ("sentiment", "Config", f"--vectors {FILE} --embedding-size 9", "size"),
        ("sentiment", "PredictOptions", "--page x", "without --explain"),
        ("translation", "Config", "--beam 1 --mbr-samples 5", "with --beam 1"),
        ("translation", "Config", "--beam 1 --length-penalty 2", "--beam 1"),
        (
            *("translation", "Config"),
            "--tokens words --subword-dropout 0.1",
            "without --tokens subwords",
        ),
        ("captioning", "Config", "--finetune", "no effect with small_cnn"),
        ("captioning", "Config", "--grid 3", "no effect with small_cnn"),
        ("captioning", "Config", "--encoder-pixels tf", "with small_cnn"),
        ("captioning", "Config", "--encoder-layer x", "with small_cnn"),
        ("captioning", "Config", "--download-encoder", "with small_cnn"),
        ("captioning", "Config", "--finetune-rate 1", "without --finetune"),
        ("captioning", "Config", "--finetune-from x", "without --finetune"),
        (
            *("captioning", "Config"),
            "--encoder resnet50 --encoder-pixels tf",
            "without the file of a network",
        ),
        (
            *("captioning", "Config"),
            "--encoder x.keras --download-encoder",
            "with the file of a network",
        ),
        (
            *("captioning", "Config"),
            "--conditioning first_step --attention-score dot",
            "without --conditioning attention",
        ),
        ("captioning", "PredictOptions", "--top-k 5", "without --sample"),
        ("captioning", "PredictOptions", "--seed 5", "without --sample"),
        ("captioning", "PredictOptions", "--sample --beam 2", "with --sample"),
        ("captioning", "PredictOptions", "--sample --n-best 2", "--sample"),
        (
            *("translation", "PredictOptions"),
            "--beam 1 --coverage-penalty 1",
            "with --beam 1",
        ),
        ("translation", "EvaluateOptions", "--beam 1 --mbr-samples 3", "beam"),
        ("sentiment", "Config", "--text-column x", "with --dataset demo"),
        ("captioning", "Config", "--encoding cp1252", "with --dataset demo"),
        ("sentiment", "EvaluateOptions", "--encoding x", "without --dataset"),
        ("translation", "EvaluateOptions", "--encoding x", "without --dataset"),
        ("forecasting", "Config", "--model ar --units 5", "with --model ar"),
        ("forecasting", "Config", "--model nn_ar --cell lstm", "--model nn_ar"),
        ("forecasting", "Config", "--states 4", "with --model rnn"),
        ("forecasting", "Config", "--stride 4", "with --origins 1"),
        ("forecasting", "Config", "--value-column x", "with --dataset demo"),
        ("tagging", "Config", "--columns word,tag", "with --dataset demo"),
        ("tagging", "Config", "--task parse --output softmax", "--task parse"),
        ("tagging", "Config", "--features kind", "with --dataset demo"),
        ("tagging", "PredictOptions", "--json --conll", "with --output or"),
        ("word_vectors", "Config", "--text-column x", "--dataset demo"),
        ("word_vectors", "PredictOptions", "--similarity a b --multiply", "a"),
        ("video_labeling", "Config", "--grid 3", "no effect with small_cnn"),
        ("video_labeling", "Config", "--encoder-layer x", "with small_cnn"),
    ],
)
def test_a_flag_without_effect_is_refused(module, options, line, message):
    said = refused(f"apps.{module}.config", options, line)
    assert " has no effect with" in said
    assert message in said


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--encoder resnet50 --motion pixels", "--motion pixels needs"),
        ("--encoder resnet50 --mirror", "--mirror needs pictures"),
        ("--encoder resnet5", "expected a file ending in .keras or one of"),
        ("--fps 1e-9", "--fps 1e-09 is less than 0.01"),
    ],
)
def test_video_flags_that_exclude_each_other(line, message):
    assert message in refused("apps.video_labeling.config", "Config", line)


def test_models_that_are_fitted_to_all_windows_take_no_share_of_them():
    message = refused(
        "apps.forecasting.config", "Config", "--model ar --train-share 0.5"
    )
    assert "--train-share 0.5: --model ar is fitted to all windows" in message


def test_help_all_shows_every_flag():
    for options, presets in flag_classes():
        _, out, _ = parsed(options, "--help-all", presets=presets)
        if "--help-all" in out:
            for field in dataclasses.fields(options):
                if field.metadata:
                    assert cli.dashed(field.name) + " " in out
