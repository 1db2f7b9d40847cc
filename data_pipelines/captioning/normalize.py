"""Normalized captions: lower case, no punctuation.

    normalize_caption("Two men's T-shirts.")  # "two men 's t-shirts"

A word is a run of letters, their marks and digits of any script; hyphens and
apostrophes within it stay. Endings with an apostrophe are words of their own,
as in the Penn Treebank: 's, n't, 'm, 're, 've, 'll and 'd. What cannot be
seen, such as soft hyphens, is left out; everything else stands between words.
These are the words that the scores of captions compare, but for signs.
"""

import re
import unicodedata

# Part of the key of every cache: raise it with any change of the rules.
VERSION = 2

_APOSTROPHES = "'`\u00b4\u2018\u2019\u201b\u02bc\uff07"

_ENDING = re.compile(r"(?<=[^\s'-])(n't|'(?:s|m|re|ve|ll|d))(?=[\s-]|$)")
_WORD = re.compile(r"'(?:s|m|re|ve|ll|d)(?=\s|$)|[^\s'-]+(?:['-][^\s'-]+)*")


class _CharacterMap(dict):
    """Character -> its replacement, looked up once for each."""

    def __missing__(self, code: int) -> str | None:
        kind = unicodedata.category(chr(code))
        if chr(code) in _APOSTROPHES:
            replacement = "'"
        elif kind == "Cf":
            replacement = None
        elif kind[0] in "LMN" or chr(code) == "-":
            replacement = chr(code)
        else:
            replacement = " "
        self[code] = replacement
        return replacement


_CHARACTERS = _CharacterMap()


def normalize_caption(text: str) -> str:
    """Return the words of a text in lower case, single spaces between them."""
    text = unicodedata.normalize("NFC", text.lower()).translate(_CHARACTERS)
    return " ".join(_WORD.findall(_ENDING.sub(r" \1", text)))
