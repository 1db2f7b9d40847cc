"""Captions as they are compared: small letters, words alone.

    plain("Two men's T-shirts, drying.")  # "two mens t shirts drying"

A word is a run of letters, their marks and digits of any script.  Apostrophes
are left out, and so is what cannot be seen, such as soft hyphens; everything
else stands between words.
"""

import unicodedata

# Part of the key of every cache: raise it with any change of the rules.
VERSION = 1

_APOSTROPHES = "'`\u00b4\u2018\u2019\u201b\u02bc\uff07"


class _Kept(dict):
    """Character -> what becomes of it, found out once for each."""

    def __missing__(self, code: int) -> str | None:
        kind = unicodedata.category(chr(code))
        if chr(code) in _APOSTROPHES or kind == "Cf":
            kept = None
        elif kind[0] in "LMN":
            kept = chr(code)
        else:
            kept = " "
        self[code] = kept
        return kept


_KEPT = _Kept()


def plain(text: str) -> str:
    """The words of a text in small letters, single spaces between them."""
    text = unicodedata.normalize("NFC", text.lower())
    return " ".join(text.translate(_KEPT).split())
