"""Flags: defaults, presets, precedence, and one line for what is wrong."""

import dataclasses
import errno
import os
from pathlib import Path

import pytest

from apps.common import cli
from data_pipelines.files import atomic
from data_pipelines.files.errors import DataError


@dataclasses.dataclass(frozen=True)
class Config:
    """Does something."""

    cell: str = cli.flag("gru", "recurrent cell", choices=("gru", "lstm"))
    units: int = cli.flag(64, "size", at_least=1, at_most=64, group="sizes")
    dropout: float = cli.flag(0.5, "share", at_least=0.0, below=1.0)
    reverse: bool = cli.flag(False, "read backwards")


@dataclasses.dataclass(frozen=True)
class Options:
    """Reads words."""

    texts: tuple = cli.positional("texts")
    run: str = cli.flag("", "a run")
    fast: bool = cli.flag(False, "hurry")
    folder: str = cli.flag("here", "a folder", at_least=1, rare=True)
    speed: int = cli.flag(1, "how fast", at_least=1, at_most=9)

    def without_effect(self):
        if not self.fast:
            yield "speed", "without --fast"

    def check(self):
        if self.folder == "nowhere":
            raise DataError("nowhere: there is no such folder")


PRESETS = {"small": dict(units=8, cell="lstm")}


def parse(line):
    return cli.parse(Config, PRESETS, line.split())


def test_defaults_come_from_the_dataclass():
    assert parse("") == Config()


def test_a_flag_beats_the_preset_and_the_preset_the_default():
    assert parse("--preset small") == Config(units=8, cell="lstm")
    assert parse("--units 3 --preset small") == Config(units=3, cell="lstm")


def test_types():
    read = parse("--units 2 --dropout 0.25 --reverse true")
    assert read == Config(units=2, dropout=0.25, reverse=True)


def test_a_switch_needs_no_value():
    assert parse("--reverse --units 2") == Config(units=2, reverse=True)
    assert parse("--units 2 --reverse") == Config(units=2, reverse=True)
    assert parse("--reverse false") == Config()
    read = cli.parse(Options, None, ["--fast", "a film"])
    assert read.fast
    assert list(read.texts) == ["a film"]


def test_positional_words_mix_with_flags():
    read = cli.parse(Options, None, ["a film", "--run", "x", "another"])
    assert list(read.texts) == ["a film", "another"]
    assert read.run == "x"


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("--cell gur", ["--cell", "'gur'; did you mean gru?"]),
        ("--cell none", ["--cell", "'none'; the choices are: gru, lstm"]),
        ("--preset smal", ["--preset", "'smal'; did you mean small?"]),
        ("--units x", ["--units", "int", "'x'"]),
        ("--units 0", ["--units", "0 is less than 1"]),
        ("--units 65", ["--units", "65 is more than 64"]),
        ("--units 1" + 24 * "0", ["--units", "is more than 64"]),
        ("--units 1" + 9999 * "0", ["--units", "invalid int value"]),
        ("--dropout 1", ["--dropout", "1 is not below 1.0"]),
        ("--dropout nan", ["--dropout", "nan is not a finite number"]),
        ("--reverse=yes", ["--reverse", "'yes' is not true or false"]),
        ("--reverse yes", ["yes"]),
        ("--unit 3", ["unknown flag --unit; did you mean --units?"]),
        ("--xyz 3", ["unknown flag --xyz", "--units", "--cell", "--preset"]),
        ("-unit=3", ["unknown flag -unit; did you mean --units?"]),
        ("--units", ["--units", "expected one argument"]),
    ],
)
def test_a_wrong_flag_is_one_line_and_status_2(line, parts, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(line)
    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    for part in parts:
        assert part in printed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--folder", ""], "argument --folder: is empty"),
        (["--folder", "x" * 1001], "--folder: has more than 1,000 letters"),
        (["--folder", "a\nb"], "--folder: 'a\\nb' has a line break or another"),
        (["-x", "a\n\x1b[31m"], "unknown flag -x"),
        (["--" + "y" * 9999], "--" + "y" * 78 + "..."),
    ],
)
def test_what_cannot_be_is_one_line_that_can_be_printed(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.parse(Options, None, words)
    printed = capsys.readouterr().err
    assert caught.value.code == 2
    assert message in printed
    assert printed[:-1].isprintable()
    assert len(printed) < 500


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


def test_main_lets_faults_of_ours_through():
    def command():
        raise KeyError("bug")

    with pytest.raises(KeyError):
        cli.main(command)


def test_help_shows_every_flag_with_its_default(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    printed = capsys.readouterr().out
    for field in dataclasses.fields(Config):
        assert "--" + field.name in printed
        assert f"(default: {field.default})" in printed


def test_help_has_groups_and_the_rest_under_help_all(capsys):
    for word, shown in [("--help", False), ("--help-all", True)]:
        with pytest.raises(SystemExit) as end:
            cli.parse(Options, None, [word])
        assert end.value.code == 0
        printed = capsys.readouterr().out
        assert ("--folder" in printed) == shown
        assert "--help-all" in printed
    with pytest.raises(SystemExit):
        parse("-h")
    printed = capsys.readouterr().out
    assert printed.index("--cell") < printed.index("sizes:")
    assert printed.index("sizes:") < printed.index("--units")
    assert printed.count("lstm") == 1
    assert "--help-all" not in printed


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


def test_a_stored_configuration_gets_the_new_names(monkeypatch):
    monkeypatch.setattr(cli, "RENAMED", OLD)
    stored = {"size": 3, "rush": True}
    read = cli.with_new_names("sentiment", stored)
    assert read == {"units": 3, "rush": True}
    for app in ("translation", "signs"):
        assert cli.with_new_names(app, stored) == stored


FULL = (
    "No space left on device; free some space (`make clean` deletes the caches)"
    " and repeat the command: a training goes on where it was"
)


def ended_by(error, capsys):
    def fail():
        raise error

    with pytest.raises(SystemExit) as ended:
        cli.main(fail)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_what_the_system_refuses_is_one_line(capsys):
    for number, what in [
        (errno.ENOSPC, FULL),
        (errno.EMFILE, "Too many open files"),
        (errno.EROFS, "Read-only file system"),
        (errno.EISDIR, "Is a directory"),
        (errno.ENAMETOOLONG, "File name too long"),
    ]:
        error = OSError(number, os.strerror(number), "/a/b")
        assert ended_by(error, capsys) == f"error: /a/b: {what}\n"
    # As HDF5 has it.
    error = OSError("Can't write data (No space left on device)")
    assert ended_by(error, capsys).startswith("error: Can't write data (No sp")


def test_a_full_disk_is_named_by_the_file_that_goes_there(
    tmp_path, capsys, monkeypatch
):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write():
        with atomic.replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("a")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SystemExit):
        cli.main(write)
    assert capsys.readouterr().err == f"error: {tmp_path}/a.txt: {FULL}\n"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit):
        cli.main(lambda: atomic.build_folder(tmp_path / "b", Path.touch))
    assert capsys.readouterr().err == f"error: {tmp_path}/b: {FULL}\n"


def test_tensorflow_tells_what_the_system_said(capsys):
    errors = pytest.importorskip("tensorflow").errors
    full = "x; No space left on device"
    error = errors.ResourceExhaustedError(None, None, full)
    assert "No space left on device; free some" in ended_by(error, capsys)
    with pytest.raises(errors.InvalidArgumentError):
        cli.main(lambda: _raise(errors.InvalidArgumentError(None, None, "bug")))


def _raise(error):
    raise error
