"""Flags: defaults, presets, precedence, and one line for what is wrong."""

import dataclasses
import errno
import json
import os
import subprocess
import sys

import pytest
import tensorflow as tf

from apps.common import cli
from data_pipelines.files.errors import DataError
from tests.apps.common.flags import Config, Options, parse


def test_defaults_come_from_the_dataclass():
    assert parse("") == Config()


def stored(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    return f"--config {path}"


def test_a_flag_beats_a_file_and_the_file_the_preset(tmp_path):
    line = stored(tmp_path, {"units": 5, "reverse": True, "dropout": 0})
    small = Config(units=5, cell="lstm", dropout=0.0, reverse=True)
    assert parse(f"{line} --preset small") == small
    assert parse(f"--units 6 {line}") == Config(
        units=6, dropout=0.0, reverse=True
    )


def test_the_file_of_a_run_repeats_it(tmp_path, monkeypatch):
    config = Config("lstm", 7, 0.25, True)
    record = {"app": "common", "config": dataclasses.asdict(config)}
    assert parse(stored(tmp_path, record)) == config
    monkeypatch.setitem(cli.RENAMED, "common", {"size": "units"})
    assert parse(stored(tmp_path, {"size": 3})) == Config(units=3)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ([1], "expected the config.json of a run, or another JSON object"),
        ({"config": 3}, "expected the config.json of a run"),
        ({"app": "x", "config": {}}, "is of x, not common"),
        ({"unit": 3}, "unknown setting 'unit'; did you mean units?"),
        ({"units": 65}, "units: 65 is more than 64"),
        ({"units": 2.5}, "units is 2.5; expected INT"),
        ({"units": None}, "units is None; expected INT"),
        ({"reverse": "yes"}, "reverse is 'yes'; expected BOOL"),
        ({"cell": "gur"}, "cell: unknown 'gur'; did you mean gru?"),
        ({"dropout": 1e999}, "dropout: inf is not a finite number"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path, capsys, content, line):
    with pytest.raises(SystemExit) as end:
        parse(stored(tmp_path, content))
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --config {tmp_path / 'config.json'}: ")
    assert line in error
    assert error.count("\n") == 1


def test_a_file_that_is_none_is_one_line(tmp_path, capsys):
    (tmp_path / "torn").write_text("{")
    for name, line in (
        ("torn", "expected the config.json of a run"),
        ("none", "No such file or directory"),
    ):
        with pytest.raises(SystemExit):
            parse(f"--config {tmp_path / name}")
        assert line in capsys.readouterr().err


def test_a_flag_beats_the_preset_and_the_preset_the_default():
    assert parse("--preset small") == Config(units=8, cell="lstm")
    assert parse("--units 3 --preset small") == Config(units=3, cell="lstm")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--folder", "nowhere"], "nowhere: there is no such folder"),
        (["--speed", "2"], "--speed 2 has no effect without --fast"),
        (["--speed", "2", "--fast", "false"], "without --fast"),
    ],
)
def test_what_a_dataclass_refuses_is_one_line(
    words, message, monkeypatch, capsys
):
    with pytest.raises(ValueError, match=message):
        cli.check(cli.parse(Options, None, words), words)
    monkeypatch.setattr("sys.argv", ["command", *words])
    with pytest.raises(SystemExit) as caught:
        cli.command(Options)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_preset_may_set_what_has_no_effect():
    presets = {"quick": dict(speed=3, fast=True)}
    words = ["--preset", "quick", "--fast", "false"]
    assert cli.parse(Options, presets, words).speed == 3
    cli.check(cli.parse(Options, presets, words), words)
    cli.check(Options(), ["--speed", "1"])  # the default
    words.append("--speed=4")
    with pytest.raises(cli.UserError):
        cli.check(cli.parse(Options, presets, words), words)


@pytest.mark.parametrize("error", [cli.UserError, DataError])
def test_main_turns_the_users_errors_into_one_line(error, capsys):
    def command():
        raise error("train.csv:3: no label")

    with pytest.raises(SystemExit) as caught:
        cli.main(command)
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: train.csv:3: no label\n"


def test_main_says_which_path_it_could_not_use(tmp_path, capsys):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(SystemExit) as caught:
        cli.main(lambda: (path / "folder").mkdir())
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"error: {path}/folder: Not a directory\n"


def system_error(number, path=None):
    return OSError(number, os.strerror(number), path)


def unreadable():
    """What a generator raises reaches us as TensorFlow writes it."""

    def elements():
        raise system_error(errno.EMFILE, "a b.txt")
        yield 1

    spec = tf.TensorSpec((), tf.int32)
    return list(tf.data.Dataset.from_generator(elements, output_signature=spec))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (system_error(errno.ENOSPC, "x/y"), "x/y: No space left on device; "),
        (system_error(errno.ENOSPC), "No space left on device; free some"),
        (system_error(errno.EDQUOT, "x"), "x: Disk quota exceeded; free some"),
        (system_error(errno.EMFILE, "x"), "x: Too many open files; close"),
        (system_error(errno.EROFS, "x"), "x: Read-only file system\n"),
        (system_error(errno.EACCES, "x"), "x: Permission denied\n"),
        (system_error(errno.EISDIR, "x"), "x: Is a directory\n"),
        (system_error(errno.ENOENT, "x"), "x: No such file or directory\n"),
        (
            OSError("Can't write (No space left on device)"),  # as HDF5 has it
            "Can't write (No space left on device); free some",
        ),
        (OSError("no connection\nat all"), "no connection at all\n"),
        (MemoryError(), "not enough memory; try smaller batches"),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "{{node}} OOM when allocating tensor"
            ),
            "not enough memory; try smaller batches",
        ),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "{{node}} a b/x; No space left on device [Op:W]"
            ),
            "a b/x: No space left on device; free some",
        ),
        (lambda: tf.io.read_file("/no/x"), "/no/x: No such file or directory"),
        (lambda: tf.io.read_file("/"), "/: Is a directory\n"),
        (unreadable, "a b.txt: Too many open files; close"),
    ],
)
def test_main_turns_errors_of_the_system_into_one_line(error, message, capsys):
    def command():
        if callable(error):
            error()
        raise error

    with pytest.raises(SystemExit) as caught:
        cli.main(command)
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: {message}")
    assert printed.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
@pytest.mark.parametrize("lines", [1, 10**5])
def test_main_says_that_what_it_prints_goes_to_a_full_disk(lines):
    code = "from apps.common import cli; "
    code += f"cli.main(lambda: print('line\\n' * {lines}))"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: No space left on device; free some")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "fault",
    [KeyError("bug"), tf.errors.InvalidArgumentError(None, None, "a bug; no")],
)
def test_main_lets_faults_of_ours_through(fault):
    def command():
        raise fault

    with pytest.raises(type(fault)):
        cli.main(command)


CHOICES = ("a", "b")
TABLE = {"first": len, "second": CHOICES}


def test_a_constant_is_read_from_where_it_stands():
    module = "tests.apps.common.test_cli"
    assert cli.constant(module, "CHOICES") == CHOICES
    assert cli.constant(module, "TABLE") == tuple(TABLE)
    with pytest.raises(NameError, match="has no NOTHING"):
        cli.constant(module, "NOTHING")


# Renamed flags.

OLD = {"": {"rush": "fast"}, "sentiment": {"size": "units"}, "translation": {}}


@pytest.mark.parametrize("word", ["--size", "--size=3"])
def test_an_old_flag_names_the_new_one(word, monkeypatch, capsys):
    monkeypatch.setattr(cli, "RENAMED", OLD)
    with pytest.raises(SystemExit) as end:
        parse(word)
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: --size is now --units\n"


def test_an_old_flag_of_another_command_is_unknown(monkeypatch, capsys):
    monkeypatch.setattr(cli, "RENAMED", OLD)
    with pytest.raises(SystemExit):
        cli.parse(Options, None, ["--size", "3"])
    assert "unknown flag --size" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.parse(Options, None, ["--rush"])
    assert capsys.readouterr().err == "error: --rush is now --fast\n"


def test_mixed_precision_of_earlier_runs_was_float16():
    for stored, value in ((True, "float16"), (False, "")):
        config = cli.with_new_names("sentiment", {"mixed_precision": stored})
        assert config == {"mixed_precision": value}


def test_a_stored_configuration_gets_the_new_names(monkeypatch):
    monkeypatch.setattr(cli, "RENAMED", OLD)
    stored = {"size": 3, "rush": True}
    read = cli.with_new_names("sentiment", stored)
    assert read == {"units": 3, "rush": True}
    for app in ("translation", "signs"):
        assert cli.with_new_names(app, stored) == stored
