"""Words of a command line: what they mean, what cannot be, the help."""

import dataclasses

import pytest

from apps.common import cli, runs
from tests.apps.common.flags import Config, Options, parse


def test_types():
    read = parse("--units 2 --dropout 0.25 --reverse true")
    assert read == Config(units=2, dropout=0.25, reverse=True)


def test_a_switch_needs_no_value():
    assert parse("--reverse --units 2") == Config(units=2, reverse=True)
    assert parse("--units 2 --reverse") == Config(units=2, reverse=True)
    assert parse("--reverse false") == Config()
    read = cli.parse(Options, None, ["--fast", "a film"])
    assert read.fast
    assert read.texts == ("a film",)


def test_positional_words_mix_with_flags():
    read = cli.parse(Options, None, ["a film", "--run", "x", "another"])
    assert read.texts == ("a film", "another")
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


@dataclasses.dataclass(frozen=True)
class Mixed(Config):
    """Has a flag that needs no value, though it is not boolean."""

    mixed_precision: str = runs.MIXED_PRECISION


@pytest.mark.parametrize(
    ("words", "value", "rest"),
    [
        ("--mixed-precision", "float16", 64),
        ("--mixed-precision --units 3", "float16", 3),
        ("--mixed-precision bfloat16 --units 3", "bfloat16", 3),
        ("--units 3 --mixed-precision float16", "float16", 3),
        ("", "", 64),
    ],
)
def test_a_flag_may_stand_alone_or_have_a_value(words, value, rest):
    config = cli.parse(Mixed, None, words.split())
    assert (config.mixed_precision, config.units) == (value, rest)
