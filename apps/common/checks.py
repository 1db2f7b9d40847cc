"""What a command refuses before it imports TensorFlow and reads data."""

import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from apps.common import cli, distributed
from apps.common.cli import UserError
from data_pipelines.files.names import is_litter, special, status_of

SMALL_CNN = cli.constant("apps.common.encoders", "SMALL")
ENCODERS = (SMALL_CNN, *cli.constant("apps.common.encoders", "APPLICATIONS"))
DEMOS = ("demo", "demo_small")

# Bytes of a run's name, with room for a number behind it.
_LONGEST_NAME = 200


def training(config) -> None:
    """Refuse a training that has no data, or nowhere to stand."""
    if config.name:
        name(config.name)
    for field in ("runs_path", "cache_path"):
        folder(field, getattr(config, field))
    data(config.dataset, config.data_path)
    if getattr(config, "vectors", ""):
        input_file(config.vectors)
    if isinstance(config, distributed.Flags):
        distributed.check(config)


def name(text: str) -> None:
    """Refuse a name of a run that is not that of a folder."""
    if "/" in text or text.startswith(".") or not text.strip():
        raise UserError(f"--name {text}: expected a plain folder name")
    if not text.isprintable():
        raise UserError(
            f"--name {text!r}: expected letters that can be printed"
        )
    if len(text.encode()) > _LONGEST_NAME:
        raise UserError(
            f"--name {text[:40]}...: has more than {_LONGEST_NAME} bytes"
        )


def data(dataset: str, data_path: str) -> None:
    """Refuse data of the user's that there are not."""
    if data_path and dataset in DEMOS:
        raise UserError(
            f"{dataset}: takes no --data-path FOLDER; to read your own files"
            " add --dataset files"
        )
    if dataset == "files" and not data_path:
        raise UserError("--data-path FOLDER is needed to read files")
    if data_path:
        _present(data_path)


def data_flags(config) -> Iterator[tuple[str, str]]:
    """Yield flags of the data that do nothing, and why."""
    if config.dataset in (*DEMOS, "files"):
        yield "download", f"with --dataset {config.dataset}"
    if config.dataset != "files":
        yield "encoding", f"with --dataset {config.dataset}"


def encoder(encoder: str) -> None:
    """Refuse an encoder that is neither a known one nor a file."""
    if encoder in ENCODERS:
        return
    if not encoder.endswith(".keras"):
        raise UserError(
            f"--encoder {encoder}: expected a file ending in .keras or one of"
            f" {', '.join(ENCODERS)}"
        )
    input_file(encoder)


def encoder_flags(config) -> Iterator[tuple[str, str]]:
    """Yield flags of the encoder that do nothing, and why."""
    if config.encoder == SMALL_CNN:
        names = "encoder_layer encoder_pixels download_encoder grid"
        yield names, f"with {SMALL_CNN}"
    elif config.encoder in ENCODERS:
        yield "encoder_pixels", "without the file of a network as --encoder"
    else:
        yield "download_encoder", "with the file of a network as --encoder"


def inputs(paths: Iterable[str], noun: str) -> list[Path]:
    """Return files and folders to read, but for what systems leave behind.

    Raises:
        UserError: One is missing, or there is none.
    """
    chosen = [Path(path) for path in paths if not is_litter(path)]
    if not chosen:
        raise UserError(f"no {noun}; give files or folders")
    for path in chosen:
        _present(path)
    return chosen


def input_file(path: str) -> None:
    """Refuse a file to read that there is not; "" is none."""
    if not path:
        return
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    if is_folder:
        raise UserError(f"{path}: is a folder; expected a file")
    if wrong := special(path):
        raise UserError(f"{path}: {wrong}")


def texts(texts: Iterable[str], path: str, noun: str) -> None:
    """Refuse texts from two places, and a file that there is not."""
    if texts and path:
        raise UserError(f"give {noun}s or --input, not both")
    input_file(path)


def output_file(field: str, path: str) -> None:
    """Refuse a file that cannot be written; "" is none."""
    if not path:
        return
    if _exists(path) and Path(path).is_dir():
        raise UserError(
            f"{cli.dashed(field)} {path}: is a folder; expected a file"
        )
    if wrong := special(path):  # it would be replaced
        raise UserError(f"{cli.dashed(field)} {path}: {wrong}")
    folder(field, str(Path(path).parent))


def folder(field: str, path: str) -> None:
    """Refuse what can be no folder."""
    parents = itertools.chain([Path(path)], Path(path).parents)
    nearest = next(part for part in parents if _exists(part))
    if not nearest.is_dir():
        raise UserError(
            f"{cli.dashed(field)} {path}: {nearest} is a file; expected a"
            " folder"
        )


def _present(path):
    if not _exists(path):
        raise UserError(f"{path}: there is no such file or folder")


def _exists(path):
    return status_of(path) is not None
