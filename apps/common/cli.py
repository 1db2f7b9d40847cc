"""Flags from a dataclass: the dataclass is the only home of a default.

    @dataclasses.dataclass(frozen=True)
    class Config:
        '''Trains a classifier.'''
        units: int = cli.flag(64, "size of the recurrent state", at_least=1)

    PRESETS = {"smoke": dict(units=8)}
    config = cli.parse(Config, PRESETS)        # --units 32 --preset smoke

A field that is true or false needs no value: `--download`, or `--download
false` to undo a preset.
A flag beats the preset, the preset beats the default. Every mistake ends with
one line on standard error and exit status 2.

To rename a flag, rename the field and put the old name into `RENAMED`.
"""

import argparse
import dataclasses
import math
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence

from data_pipelines.files.errors import DataError

# App -> old name of a flag -> its name today. A `config.json` with the old name
# loads, and the old flag ends with a line that names the new one. Flags that
# no `config.json` holds, such as an option of `predict`, stand under "".
RENAMED = {
    "": {},
    "captioning": {
        "consensus": "mbr_samples",
        "picture": "conditioning",
        "plain": "normalize_captions",
    },
    "sentiment": {},
    "translation": {"batch_size": "batch_tokens"},
    "video_labeling": {},
}

_BOOLEANS = {"true": True, "false": False}


class UserError(ValueError):
    """A mistake that the user can correct; the message says how."""


def flag(
    default: typing.Any,
    help: str,
    *,
    choices: Iterable[str] | None = None,
    at_least: float | None = None,
    below: float | None = None,
) -> typing.Any:
    """Describe one field of a configuration.

    Args:
        default: Value without a flag or a preset.
        help: One line for `--help`.
        choices: The allowed names, by reference to where they are defined.
        at_least: Smallest allowed number.
        below: Numbers must be smaller than this.
    """
    metadata = {
        "help": help,
        "choices": choices,
        "at_least": at_least,
        "below": below,
    }
    return dataclasses.field(default=default, metadata=metadata)


def positional(help: str) -> typing.Any:
    """Describe a field that takes the words that are not flags."""
    return dataclasses.field(
        default=(), metadata={"help": help, "positional": True}
    )


def parse(
    config_class: type,
    presets: Mapping[str, dict] | None = None,
    arguments: Sequence[str] | None = None,
):
    """Read the command line into an instance of `config_class`.

    Args:
        config_class: A flat dataclass with fields by `flag`.
        presets: Name -> dict of fields that differ from the defaults.
        arguments: Words; the process's own if `None`.
    """
    parser = _Parser(
        description=config_class.__doc__,
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    if presets:
        parser.add_argument(
            "--preset",
            choices=list(presets),
            help="named set of flags: " + ", ".join(presets),
        )
    for field in dataclasses.fields(config_class):
        _add(parser, field)
    words = sys.argv[1:] if arguments is None else arguments
    flags = vars(parser.parse_args(_spelled_out(words, config_class)))
    preset = flags.pop("preset", None)
    return config_class(**{**(presets[preset] if preset else {}), **flags})


def with_new_names(app: str, config: dict) -> dict:
    """Return the stored configuration of an app under the names of today."""
    names = RENAMED.get(app, {})
    return {names.get(name, name): value for name, value in config.items()}


def main(function: Callable[[], object]) -> None:
    """Run a command; end with one line and status 2 on the user's errors."""
    try:
        function()
    except (UserError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print(
            "\nstopped; the same command resumes a training",
            file=sys.stderr,
        )
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader of our output has gone: `| head`
        sys.stderr.close()
        raise SystemExit(0) from None


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message):
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(2)

    def parse_args(self, args=None, namespace=None):
        parsed, unknown = self.parse_known_intermixed_args(args, namespace)
        if unknown:
            known = sorted(self._option_string_actions)
            for old, new in _renamed_flags():
                if unknown[0].partition("=")[0] == old and new in known:
                    self.error(f"{old} is now {new}")
            self.error(
                f"unknown flag {unknown[0]}; the flags are: {', '.join(known)}"
            )
        return parsed


def _renamed_flags():
    """Yield the old and the new flag of every renamed field."""
    for names in RENAMED.values():
        for old, new in names.items():
            yield tuple("--" + n.replace("_", "-") for n in (old, new))


def _add(parser, field):
    help = field.metadata["help"]
    if field.metadata.get("positional"):
        parser.add_argument(field.name, nargs="*", default=(), help=help)
        return
    choices = field.metadata["choices"]
    # With SUPPRESS as the default, argparse cannot print it: we do.
    default = f" (default: {field.default})" if field.default != "" else ""
    parser.add_argument(
        "--" + field.name.replace("_", "-"),
        type=_reader(field),
        choices=None if choices is None else list(choices),
        metavar=None if choices else field.type.__name__.upper(),
        help=help + default,
    )


def _reader(field):
    """Return the function that turns a word of the command line to a value."""
    low, below = field.metadata["at_least"], field.metadata["below"]

    def read(word):
        value = _boolean(word) if field.type is bool else field.type(word)
        if field.type is float and not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"{word} is not a finite number")
        if low is not None and value < low:
            raise argparse.ArgumentTypeError(f"{word} is less than {low}")
        if below is not None and value >= below:
            raise argparse.ArgumentTypeError(f"{word} is not below {below}")
        return value

    read.__name__ = field.type.__name__  # argparse names it in its errors
    return read


def _spelled_out(words, config_class):
    """Put `true` behind a boolean flag that stands alone."""
    switches = {
        "--" + field.name.replace("_", "-")
        for field in dataclasses.fields(config_class)
        if field.type is bool
    }
    spelled_out = []
    for index, word in enumerate(words):
        spelled_out.append(word)
        value = "".join(words[index + 1 : index + 2]).lower()
        if word in switches and value not in _BOOLEANS:
            spelled_out.append("true")
    return spelled_out


def _boolean(word):
    if word.lower() not in _BOOLEANS:
        raise argparse.ArgumentTypeError(f"'{word}' is not true or false")
    return _BOOLEANS[word.lower()]
