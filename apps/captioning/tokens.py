"""The words of a caption, as its scores compare them.

The reference scorer cuts captions into words with Stanford's PTBTokenizer, a
program in Java, and leaves out punctuation. This does the same in Python for
what captions consist of:

* Letters are made lower-case. Hyphens, slashes, apostrophes and dots inside of
  a word stay: `well-lit`, `black/white`, `o'clock`, `u.s.a`, `10:30`, `1,000`.
* Endings with an apostrophe are words: `dog's` is `dog 's`, `isn't` is
  `is n't`, `they're` is `they 're`; so are both halves of `can not`, `gon na`,
  `got ta`, `wan na`, `gim me`, `lem me`, `'t is` and `'t was`.
* A last dot stays with letters that have dots in between (`p.m.`) and with
  usual abbreviations (`mr.`, `st.`).
* Left out are . , : ; ? ! - -- ... ' and quotation marks of all kinds. All
  other signs stay, as they do there: `&`, `%`, `!!`, and brackets as `-lrb-`
  and `-rrb-`.

Of scripts without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each
character is a word, as in the scores of translations.

What captions hardly have is cut otherwise: the dot of initials (`j. smith`) and
of rarer abbreviations, addresses, smileys, fractions in one sign, signs before
numbers, and words joined by `!`, `?`, `&` or `@`.
"""

import re

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019`\u00b4", "'"),
        **dict.fromkeys('"\u201c\u201d\u00ab\u00bb', " "),
        **dict.fromkeys("\u2013\u2014", " - "),
        **dict.fromkeys(
            "\u2026\u3001\u3002\uff0c\uff01\uff1f\uff1a\uff1b", " "
        ),
        "(": " -lrb- ",
        ")": " -rrb- ",
        "[": " -lsb- ",
        "]": " -rsb- ",
        "{": " -lcb- ",
        "}": " -rcb- ",
    }
)
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ENDING = re.compile(r"(?<=\w)(n't|'n'|'(?:s|m|re|ve|ll|d))(?!\w)|(?<=\w)('n')")
_HALVES = re.compile(
    r"(?<!\w)(can(?=not)|gon(?=na)|got(?=ta)|wan(?=na)|gim(?=me)|lem(?=me)"
    r"|'t(?=is|was))(not|na|ta|me|is|was)(?!\w)"
)
_WORD = re.compile(
    r"""
      -[lr][rsc]b-
    | '(?:s|m|re|ve|ll|d|t|em|n'|cause|\d0s)(?!\w)
    | (?:o[lf]|d)'(?!\w)                  # ol' man
    | (?:[^\W\d_]\.){2,}
    | (?:mr|mrs|ms|dr|st|jr|sr|mt|ft|vs|etc|no|inc|co)\.(?!\w)
    | \d+(?:[.,:]\d+)+
    | \w+(?:[-/'.]\w+)*
    | \*+
    | [!?]{2,}
    | [^\w\s.,:;?!'-]
    """,
    re.VERBOSE,
)


def tokenized(text: str) -> str:
    """Return the words of a caption as one string, a space between them."""
    text = text.replace("&amp;", "&").lower().translate(_SIGNS)
    text = _UNSPACED.sub(r" \g<0> ", text)
    text = _ENDING.sub(r" \1\2 ", text)
    text = _HALVES.sub(r"\1 \2", text)
    return " ".join(_WORD.findall(text))
