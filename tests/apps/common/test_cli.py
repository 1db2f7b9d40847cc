"""Flags: defaults, presets, precedence, and one line for what is wrong."""

import dataclasses

import pytest

from apps.common import cli
from data_pipelines.files.errors import DataError


@dataclasses.dataclass(frozen=True)
class Config:
    """Does something."""

    cell: str = cli.flag("gru", "recurrent cell", choices=("gru", "lstm"))
    units: int = cli.flag(64, "size", at_least=1)
    dropout: float = cli.flag(0.5, "share", at_least=0.0, below=1.0)
    reverse: bool = cli.flag(False, "read backwards")


@dataclasses.dataclass(frozen=True)
class Options:
    """Reads words."""

    texts: tuple = cli.positional("texts")
    run: str = cli.flag("", "a run")
    fast: bool = cli.flag(False, "hurry")


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
        ("--cell gur", ["--cell", "'gur'", "gru", "lstm"]),
        ("--preset smal", ["--preset", "'smal'", "small"]),
        ("--units x", ["--units", "int", "'x'"]),
        ("--units 0", ["--units", "0 is less than 1"]),
        ("--dropout 1", ["--dropout", "1 is not below 1.0"]),
        ("--dropout nan", ["--dropout", "nan is not a finite number"]),
        ("--reverse=yes", ["--reverse", "'yes' is not true or false"]),
        ("--reverse yes", ["yes"]),
        ("--unit 3", ["--unit", "--units", "--cell", "--preset"]),
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
