"""Flags from a dataclass: the dataclass is the only home of a default.

    @dataclasses.dataclass(frozen=True)
    class Config:
        '''Train a classifier.'''
        units: int = cli.flag(64, "size of the state", at_least=1, at_most=4096)

    PRESETS = {"smoke": dict(units=8)}
    config = cli.command(Config, PRESETS)      # --units 32 --preset smoke

A field that is true or false needs no value: `--download`, or `--download
false` to undo a preset.
A flag beats `--config FILE`, the JSON of a run or any other, which beats the
preset, which beats the default. Every mistake ends with one line on standard
error and exit status 2.

A command parses before it imports what takes seconds. So modules that hold
flags import no TensorFlow; the names that a flag takes are read by `constant`
from the module that they belong to. Such a dataclass may define

    without_effect(self)  yields (fields that do nothing, why)
    check(self)           raises what is wrong

To rename a flag, rename the field and put the old name into `RENAMED`.
"""

import argparse
import ast
import contextlib
import dataclasses
import importlib
import json
import os
import re
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from apps.common import system_errors
from apps.common.arguments import (
    METAVARS,
    Parser,
    dashed,
    did_you_mean,
    reader,
    spelled_out,
)
from apps.common.terminal import echo, watched
from data_pipelines.files.errors import DataError, printable

# App -> old name of a flag -> its name today. A `config.json` with the old name
# loads, and the old flag ends with a line that names the new one. Flags that
# no `config.json` holds, such as an option of `predict`, stand under "".
RENAMED = {
    "": {"members": "run"},
    "captioning": {
        "consensus": "mbr_samples",
        "picture": "conditioning",
        "plain": "normalize_captions",
    },
    "forecasting": {},
    "language_model": {},
    "sentiment": {},
    "tagging": {},
    "translation": {"batch_size": "batch_tokens"},
    "video_labeling": {},
    "word_vectors": {},
}

ROOT = Path(__file__).parents[2]


class UserError(ValueError):
    """A mistake that the user can correct; the message says how."""


def flag(
    default: typing.Any,
    help: str,
    *,
    group: str | None = None,
    rare: bool = False,
    last: bool = False,
    alone: str = "",
    several: bool = False,
    choices: Iterable[str] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> typing.Any:
    """Describe one field of a configuration.

    Args:
        default: Value without a flag or a preset.
        help: One line for `--help`.
        group: Heading, in the help, of this field and of those that follow.
        rare: Whether only `--help-all` shows it.
        last: Whether it comes last in the help, though its class is a base.
        alone: Value of a flag that stands without one.
        several: Whether several words follow it; the value is a tuple.
        choices: The allowed names, by reference to where they are defined.
        at_least: Smallest allowed number; fewest letters of a text.
        at_most: Largest allowed number, one that a machine can hold.
        below: Numbers must be smaller than this.
    """
    metadata = {
        "help": help,
        "group": group,
        "rare": rare,
        "last": last,
        "alone": alone,
        "several": several,
        "choices": None if choices is None else list(choices),
        "at_least": at_least,
        "at_most": at_most,
        "below": below,
    }
    return dataclasses.field(default=default, metadata=metadata)


def positional(help: str) -> typing.Any:
    """Describe a field that takes the words that are not flags."""
    return dataclasses.field(
        default=(), metadata={"help": help, "positional": True}
    )


def constant(module: str, name: str) -> typing.Any:
    """Return a constant of a module that is not imported; of a dict its keys.

    Args:
        module: Its full name: "data_pipelines.text.tokenizers".
        name: Name of a string, tuple or dict that is written out there.
    """
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets) == name:
            value = node.value
            if isinstance(value, ast.Dict):
                value = ast.Tuple(value.keys, ast.Load())
            return ast.literal_eval(value)
    raise NameError(f"{module} has no {name}")


def parse(
    config_class: type,
    presets: Mapping[str, dict] | None = None,
    arguments: Sequence[str] | None = None,
):
    """Read the command line into an instance of `config_class`.

    Args:
        config_class: A flat dataclass with fields by `flag`; a field `preset`
            gets the name of the preset.
        presets: Name -> dict of fields that differ from the defaults.
        arguments: Words; the process's own if `None`.
    """
    words = sys.argv[1:] if arguments is None else arguments
    parser = Parser(
        config_class,
        program=_program(),
        first=_of_presets(presets) if presets else (),
        renamed=(pair for names in RENAMED.values() for pair in names.items()),
        fail=_fail,
        all="--help-all" in words,
    )
    parsed = parser.parse_args(spelled_out(words, config_class))
    # Of several words argparse makes a list.
    flags = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(parsed).items()
    }
    try:
        if presets and "config" in flags:
            stored = stored_flags(flags["config"], config_class, presets)
            flags = {**stored, **flags}
        explicit = flags
        if flags.get("preset"):
            flags = {**presets[flags["preset"]], **flags}
        if flags.get("from_run"):
            from apps.common import transfer  # it knows runs, as we do not

            flags = transfer.completed(config_class, flags, explicit)
    except UserError as error:
        parser.error(str(error))
    known = {field.name for field in dataclasses.fields(config_class)}
    return config_class(**{k: v for k, v in flags.items() if k in known})


def _program():
    """Return the command as a user writes it, if it is an app's."""
    path = Path(sys.argv[0])
    if not path.is_relative_to(ROOT / "apps"):
        return ""
    return "python -m " + ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _of_presets(presets):
    """Return the fields that every command with presets has."""
    preset = flag("", "named set of flags", choices=presets)
    preset.name, preset.type = "preset", str
    stored = flag("", "config.json of a run to repeat, or other JSON")
    stored.name, stored.type = "config", str
    return preset, stored


def stored_flags(
    path: str, config_class: type, presets: Iterable[str]
) -> dict[str, typing.Any]:
    """Read flags from a `config.json`, or from any JSON object of flags.

    Args:
        path: The file.
        config_class: As in `parse`, in the module of its app.
        presets: Names of presets.

    Raises:
        UserError: It is none, or of another app, or a value is no flag's.
    """
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}") from None
    content = None
    with contextlib.suppress(ValueError, RecursionError):
        content = json.loads(text)
    values = content.get("config", content) if type(content) is dict else None
    if type(values) is not dict:
        raise UserError(
            f"--config {path}: expected the config.json of a run, or another"
            ' JSON object of flags, such as {"units": 64}'
        )
    app = config_class.__module__.split(".")[-2]
    if content.get("app", app) != app:
        raise UserError(f"--config {path}: is of {content['app']}, not {app}")
    values = with_new_names(app, values)
    preset = values.get("preset", "")
    try:
        restored(config_class, values)
        if preset and preset not in presets:
            raise UserError(f"unknown preset {preset!r}")
    except UserError as error:
        raise UserError(f"--config {path}: {error}") from None
    return values


def command(config_class: type, presets: Mapping[str, dict] | None = None):
    """Read and check the command line of this process; it ends on mistakes."""
    words = sys.argv[1:]
    config = parse(config_class, presets, words)
    main(lambda: check(config, words))
    return config


def training_command(more: type) -> tuple[str, typing.Any, typing.Any]:
    """Read the command line of what does something else with a training.

    It takes `--app NAME` first, every flag of that app's training, and more.

    Args:
        more: A dataclass with the flags that are added.

    Returns:
        The app, its configuration, and an instance of `more`.
    """
    apps = sorted(path.parent.name for path in ROOT.glob("apps/*/train.py"))
    words = sys.argv[1:]
    if words[:1] != ["--app"] or words[1:2] not in [[app] for app in apps]:
        _fail(f"expected --app NAME first, one of {', '.join(apps)}")
    app, words = words[1], words[2:]
    module = importlib.import_module(f"apps.{app}.config")
    options = parse(with_flags(module.Config, more), module.PRESETS, words)
    main(lambda: check(options, words))
    parts = []
    for part in (module.Config, more):
        names = [field.name for field in dataclasses.fields(part)]
        parts.append(part(**{name: getattr(options, name) for name in names}))
    return app, *parts


def with_flags(config_class: type, more: type) -> type:
    """Return an app's configuration that has the flags of another one, too."""
    names = {"__module__": config_class.__module__, "__doc__": more.__doc__}
    both = type("Options", (more, config_class), names)
    return dataclasses.dataclass(frozen=True)(both)


def value(config_class: type, name: str, word: str) -> typing.Any:
    """Return what a word of the command line means for a field.

    Raises:
        UserError: It is not allowed.
    """
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    try:
        return reader(fields[name])(word)
    except argparse.ArgumentTypeError as error:
        raise UserError(str(error)) from None
    except ValueError:
        kind = "whole number" if fields[name].type is int else "number"
        raise UserError(f"{word!r} is not a {kind}") from None


def check(config, words: Sequence[str]) -> None:
    """Refuse flags without effect, and what the dataclass itself refuses.

    Raises:
        UserError: It has no effect, or cannot be.
    """
    written = {word.partition("=")[0] for word in words}
    defaults = {f.name: f.default for f in dataclasses.fields(config)}
    if hasattr(config, "without_effect"):
        for names, why in config.without_effect():
            for name in names.split():
                value = getattr(config, name)
                # Those of a preset may give way.
                if dashed(name) in written and value != defaults[name]:
                    value = "" if value is True else f" {value}"
                    raise UserError(
                        f"{dashed(name)}{value} has no effect {why}"
                    )
    if hasattr(config, "check"):
        config.check()


def with_new_names(app: str, config: dict) -> dict:
    """Return the stored configuration of an app under the names of today."""
    names = RENAMED.get(app, {})
    config = {names.get(name, name): value for name, value in config.items()}
    if isinstance(config.get("mixed_precision"), bool):  # of before bfloat16
        config["mixed_precision"] = "float16" * config["mixed_precision"]
    return config


def restored(config_class: type, values: Mapping[str, typing.Any]):
    """Return the configuration that a file holds; what it lacks has defaults.

    Raises:
        UserError: A value is of another type, or not allowed, or of no field.
    """
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            meant = did_you_mean(name, sorted(fields), "settings")
            raise UserError(f"unknown setting {name!r}; {meant}")
        kinds = (int, float) if field.type is float else (field.type,)
        if type(value) not in kinds:
            raise UserError(
                f"{name} is {value!r}; expected {METAVARS[field.type]}"
            )
        try:
            if field.metadata:
                reader(field)(str(value))
        except argparse.ArgumentTypeError as error:
            raise UserError(f"{name}: {error}") from None
    return config_class(**values)


def main(function: Callable[[], object]) -> None:
    """Run a command; end with one line and status 2 on the user's errors.

    Those are what the system says, too: a disk that is full, a file that may
    not be read, no memory.
    """
    try:
        with watched():
            function()
        sys.stdout.flush()  # It may stand on a full disk.
    except (UserError, DataError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        echo(
            "\nstopped; the same command resumes a training",
            file=sys.stderr,
        )
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader of our output has gone: `| head`
        sys.stderr.close()
        raise SystemExit(0) from None
    except Exception as error:
        line = system_errors.line(error)
        if line is None:
            raise
        _fail(line)


def _fail(message: str) -> typing.NoReturn:
    """End with one line, in which no word is endless."""
    message = re.sub(r"\S{300,}", lambda m: m[0][:80] + "...", message)
    echo(f"error: {printable(message)}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # or else Python itself says so, and ends otherwise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(2) from None
