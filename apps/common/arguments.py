"""Words of a command line: what they mean to the fields of a dataclass."""

import argparse
import dataclasses
import difflib
import math
import typing
from collections.abc import Callable, Iterable, Sequence

_BOOLEANS = {"true": True, "false": False}
METAVARS = {
    bool: "BOOL",
    int: "INT",
    float: "FLOAT",
    str: "TEXT",
    tuple: "TEXT",
}

# Letters of a text: more than any path or list of names has.
_LONGEST = 1000


def dashed(name: str) -> str:
    """Return the flag of a field."""
    return "--" + name.replace("_", "-")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line.

    Args:
        config_class: The dataclass; its `absent`, if any, says of flags that it
            lacks and others have, why: flag -> reason.
        program: What it is called in the help; empty: as it was started.
        first: Other fields, which the help shows first.
        renamed: Pairs of an old name of a field and its name today.
        fail: Ends the process with a line.
        all: Whether the help shows the rare flags, too.
    """

    def __init__(
        self,
        config_class: type,
        *,
        program: str,
        first: Iterable[dataclasses.Field],
        renamed: Iterable[tuple[str, str]],
        fail: Callable[[str], typing.NoReturn],
        all: bool,
    ):
        super().__init__(
            prog=program or None,
            usage="%(prog)s [flags]",
            description=config_class.__doc__,
            add_help=False,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            formatter_class=lambda prog: argparse.HelpFormatter(
                prog, max_help_position=30
            ),
        )
        self.absent = getattr(config_class, "absent", {})
        self.renamed = [(dashed(old), dashed(new)) for old, new in renamed]
        self.fail = fail
        group = flags = self.add_argument_group("flags")
        for field in first:
            _add(group, field, True)
        fields = [f for f in dataclasses.fields(config_class) if f.metadata]
        fields.sort(key=lambda field: field.metadata.get("last", False))
        for field in fields:
            if field.metadata.get("group"):
                group = self.add_argument_group(field.metadata["group"])
            _add(group, field, all)
        flags.add_argument("-h", "--help", action="help", help="show this help")
        rare = sum(field.metadata.get("rare", False) for field in fields)
        if rare:
            flags.add_argument(
                "--help-all", action="help", help=f"show {rare} more flags"
            )

    def error(self, message):
        self.fail(message)

    def parse_args(self, args=None, namespace=None):
        parsed, unknown = self.parse_known_intermixed_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            known = sorted(self._option_string_actions)
            for old, new in self.renamed:
                if word == old and new in known:
                    self.error(f"{old} is now {new}")
            if word in self.absent:
                self.error(f"there is no {word}: {self.absent[word]}")
            kind = "flag" if word.startswith("-") else "word"
            self.error(
                f"unknown {kind} {word}; {did_you_mean(word, known, 'flags')}"
            )
        return parsed


def did_you_mean(word: str, names: Sequence[str], what: str) -> str:
    """Return the one name that a word resembles, or else all."""
    close = difflib.get_close_matches(word.lower(), names, 1)
    if close:
        return f"did you mean {close[0]}?"
    return f"the {what} are: {', '.join(filter(None, names))}"


def _add(group, field, all):
    help = field.metadata["help"]
    if field.metadata.get("positional"):
        group.add_argument(field.name, nargs="*", default=(), help=help)
        return
    choices = field.metadata["choices"]
    if choices:
        help += f": {', '.join(filter(None, choices))}"
    # With SUPPRESS as the default, argparse cannot print it: we do.
    if field.default not in ("", (), dataclasses.MISSING):
        help += f" (default: {field.default})"
    group.add_argument(
        dashed(field.name),
        type=reader(field),
        metavar="NAME" if choices else METAVARS[field.type],
        nargs="+" if field.metadata["several"] else None,
        help=help if all or not field.metadata["rare"] else argparse.SUPPRESS,
    )


def reader(field: dataclasses.Field) -> Callable[[str], typing.Any]:
    """Return the function that turns a word of the command line to a value."""
    about, kind = field.metadata, field.type
    kind = str if kind is tuple else kind  # each word of several
    low, most, below = about["at_least"], about["at_most"], about["below"]

    def read(word):
        value = _boolean(word) if kind is bool else kind(word)
        if kind is float and not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"{word} is not a finite number")
        if kind is str:
            _check_text(value, low)
            if about["choices"] and value not in about["choices"]:
                meant = did_you_mean(value, about["choices"], "choices")
                raise argparse.ArgumentTypeError(f"unknown '{value}'; {meant}")
            return value
        if low is not None and value < low:
            raise argparse.ArgumentTypeError(f"{word} is less than {low}")
        if most is not None and value > most:
            raise argparse.ArgumentTypeError(f"{word} is more than {most:,}")
        if below is not None and value >= below:
            raise argparse.ArgumentTypeError(f"{word} is not below {below}")
        return value

    read.__name__ = kind.__name__  # argparse names it in its errors
    return read


def _check_text(text, fewest):
    if len(text) < (fewest or 0):
        raise argparse.ArgumentTypeError("is empty")
    if len(text) > _LONGEST:
        raise argparse.ArgumentTypeError(f"has more than {_LONGEST:,} letters")
    if any(ord(letter) < 32 for letter in text):
        raise argparse.ArgumentTypeError(
            f"{text!r} has a line break or another control character"
        )


def spelled_out(words: Sequence[str], config_class: type) -> list[str]:
    """Put a value behind a flag that stands alone: `true` for a boolean."""
    alone = {
        dashed(field.name): ("true", _BOOLEANS)
        if field.type is bool
        else (field.metadata["alone"], field.metadata["choices"])
        for field in dataclasses.fields(config_class)
        if field.type is bool or field.metadata.get("alone")
    }
    spelled_out = []
    for index, word in enumerate(words):
        spelled_out.append(word)
        if word in alone:
            value, values = alone[word]
            following = words[index + 1 : index + 2]
            if not following or following[0].lower() not in values:
                spelled_out.append(value)
    return spelled_out


def _boolean(word):
    if word.lower() not in _BOOLEANS:
        raise argparse.ArgumentTypeError(f"'{word}' is not true or false")
    return _BOOLEANS[word.lower()]
