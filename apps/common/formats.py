"""Flags of `export`: the forms that a finished run is written in.

    saved_model  `export/`, raw input to final output, for tensorflow alone
    onnx         `onnx/`, the network and what it reads and gives, for ONNX
                 Runtime and what else reads ONNX
    litert       `litert/`, the same for phones and small machines, one input at
                 a time

How the latter two are made stands in `networks.py`.
"""

import dataclasses
import importlib.util
from collections.abc import Iterator

from apps.common import cli, runs
from apps.common.cli import UserError, flag

# Form -> the packages that it needs.
PACKAGES = {
    "saved_model": (),
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "litert": ("ai_edge_litert",),
}


@dataclasses.dataclass(frozen=True)
class Options(runs.Options):
    """The flags of every `export`."""

    format: str = flag(
        "saved_model", f"forms to write, by commas: {', '.join(PACKAGES)}"
    )
    quantize: bool = flag(
        False, "weights of the ONNX networks as int8, scored beside float32"
    )

    @property
    def formats(self) -> list[str]:
        """The forms, in the order of the table."""
        names = [name.strip() for name in self.format.split(",")]
        unknown = sorted(set(names).difference(PACKAGES))
        return [*filter(names.count, PACKAGES), *unknown]

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        if "onnx" not in self.formats:
            yield "quantize", "without --format onnx"

    def check(self) -> None:
        """Refuse forms that there are not, or whose packages are missing."""
        super().check()
        for name in self.formats:
            if name not in PACKAGES:
                meant = cli.did_you_mean(name, PACKAGES, "forms")
                raise UserError(f"--format {self.format}: no {name!r}; {meant}")
            missing = [
                package
                for package in PACKAGES[name]
                if importlib.util.find_spec(package) is None
            ]
            if missing:
                raise UserError(
                    f"--format {name} needs {' and '.join(missing)}; `make"
                    " install-formats` installs what all forms need"
                )


@dataclasses.dataclass(frozen=True)
class FixedLength(Options):
    """The flags where LiteRT reads inputs of one length."""

    length: int = flag(
        0,
        "words or tokens that a LiteRT network reads, no more and no less",
        at_least=0,
        at_most=1000,
    )

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from super().without_effect()
        if "litert" not in self.formats:
            yield "length", "without --format litert"

    def check(self) -> None:
        """Refuse LiteRT without a length, too."""
        super().check()
        if "litert" in self.formats and not self.length:
            raise UserError(
                "--format litert needs --length, such as --length 64: LiteRT"
                " runs no loop over a length that it does not know"
            )
