r"""Names of files: which file one means, and which files are none to read.

    files = NamedFiles("my-pictures", ["my-pictures/images", "my-pictures"])
    path = files.find("images\\cat.jpg", "captions.csv:7")
    file_id(path)           # the same for cat.jpg, ./cat.jpg and a link to it
    listed("my-pictures")   # what is in a folder, but for hidden files
    refuse_special(path)    # a pipe or a device is no file

A table can come from another system than its files: `find` knows a file whose
name is composed otherwise (NFC, NFD), or in other case, with the other slash
or quoted as in an address, if there is just one such file.
"""

import errno
import os
import re
import stat
import unicodedata
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from data_pipelines.files.errors import DataError, printable

# What systems leave in folders, in whatever case: ._a.jpg has the attributes
# of a.jpg.
_LITTER = re.compile(
    r"\._.*|\.DS_Store|__MACOSX|(eh)?thumbs(_vista)?\.db|desktop\.ini"
    r"|@eaDir|\$RECYCLE\.BIN|System Volume Information|lost\+found|~\$.*",
    re.I,
)

# C:/ or //server/.
_WINDOWS_ROOT = re.compile(r"[A-Za-z]:/|//")

# What the system says of a name that no file has.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

# What a shell or its user has opened already, such as <(zcat a.gz).
_OPENED = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


class NamedFiles:
    """The files that the names in a table mean.

    Args:
        folder: Of the data; names may not leave it, but links in it may.
        places: The folders in it where files can be, the first one first.
        allow_outside: Whether names may leave the folder.
    """

    def __init__(
        self,
        folder: str | Path,
        places: Sequence[str | Path],
        allow_outside: bool = False,
    ) -> None:
        self.folder = str(folder)
        self.places = list(map(str, places))
        self.allow_outside = allow_outside
        self._root = os.path.join(os.path.abspath(folder), "")
        self._entries: dict[str, dict[str, list[str]]] = {}

    def find(self, name: str, where: str) -> Path:
        """Return the file that a name means, perhaps a folder.

        Args:
            name: As it stands in a table.
            where: File and line, for the message.

        Returns:
            The file; if there is none, where it would be.

        Raises:
            DataError: If the name leaves the folder.
        """
        inside: list[str] = []
        outside = False
        for spelling in _spellings(name):
            outside = outside or _WINDOWS_ROOT.match(spelling) is not None
            for place in self.places:
                path = os.path.normpath(os.path.join(place, spelling))
                if not self.allow_outside and not self._holds(path):
                    outside = True
                elif status_of(path):
                    return Path(path)
                else:
                    inside.append(path)
        if outside and not self.allow_outside:
            raise DataError(
                f"{where}: {printable(name)} is not in {self.folder}; expected "
                "the name of a file in it, or --allow-outside"
            )
        for path in inside:
            if alike := self._alike(path):
                return Path(alike)
        return Path(inside[0])

    def _holds(self, path: str) -> bool:
        """Return whether a path is in the folder."""
        inside = os.path.abspath(path).startswith(self._root)
        if not inside and os.path.isabs(path) and "\0" not in path:
            # The folder may be a link, and the path be that of its target.
            real = os.path.join(os.path.realpath(self.folder), "")
            inside = os.path.realpath(path).startswith(real)
        return inside

    def _alike(self, path: str) -> str | None:
        """Return the one file that has nearly this path below the folder."""
        alike = self.folder
        for part in Path(os.path.relpath(path, self.folder)).parts:
            names = self._listed(alike).get(_folded(part), [])
            if len(names) > 1:
                composed = unicodedata.normalize("NFC", part)
                names = (
                    [part]
                    if part in names
                    else [
                        name
                        for name in names
                        if unicodedata.normalize("NFC", name) == composed
                    ]
                )
            if len(names) != 1:
                return None
            alike = os.path.join(alike, names[0])
        return alike

    def _listed(self, folder: str) -> dict[str, list[str]]:
        """Return the names in a folder by what they are without case."""
        if folder not in self._entries:
            entries: dict[str, list[str]] = {}
            try:
                names = os.listdir(folder)
            except (FileNotFoundError, NotADirectoryError):
                names = []
            for name in names:
                entries.setdefault(_folded(name), []).append(name)
            self._entries[folder] = entries
        return self._entries[folder]


def _spellings(name: str) -> Iterator[str]:
    """Yield what a name can mean, itself first."""
    yield name
    slashes = name.replace("\\", "/")
    if slashes != name:
        yield slashes
    plain = unquote(slashes)
    if plain != slashes:
        yield plain


def _folded(name: str) -> str:
    composed = unicodedata.normalize("NFC", name).casefold()
    return unicodedata.normalize("NFC", composed)


def status_of(path: str | Path) -> os.stat_result | None:
    """Return what the system says of a file; None: there is none.

    Raises:
        OSError: It does not say.
    """
    try:
        return os.stat(path)
    except ValueError:  # no name of a file can be such
        return None
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None


def file_id(path: str | Path) -> Hashable:
    """Return what tells a file from all others, whatever names it has.

    Links to a file, hard or symbolic, are this file. What does not exist is
    told by its path.
    """
    status = status_of(path)
    if status is None:
        return os.path.abspath(path)
    # Some file systems number no files.
    if not status.st_ino:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def is_litter(path: str | Path) -> bool:
    """Return whether a system has left a file, or a folder, of such a name."""
    return _LITTER.fullmatch(os.path.basename(path)) is not None


def is_hidden(path: str | Path) -> bool:
    """Return whether a file, or a folder, is not for its user's eyes."""
    return os.path.basename(path).startswith(".") or is_litter(path)


def listed(folder: str | Path) -> list[Path]:
    """Return what is in a folder by name, but for what is hidden."""
    return sorted(
        path for path in Path(folder).iterdir() if not is_hidden(path)
    )


def special(path: str | Path) -> str:
    """Return what is wrong with a pipe, a socket or a device; else "".

    To open one may never end. What the user's shell has opened is a file.
    """
    status = status_of(path)
    kind = status and _KINDS.get(stat.S_IFMT(status.st_mode))
    if not kind or os.path.abspath(path).startswith(_OPENED):
        return ""
    return f"is {kind}; expected a file"


def refuse_special(path: str | Path) -> None:
    """Raise a `DataError` about what is `special`."""
    if wrong := special(path):
        raise DataError(f"{printable(path)}: {wrong}")
