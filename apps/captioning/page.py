"""Captions beside their pictures: as HTML, and as records."""

import base64
import html
import io

from apps.common import report
from data_pipelines.vision import images

# The longer side of a picture on a page, in pixels, and Pillow's quality.
SIDE = 256
QUALITY = 82


def article(picture, name, captions, references=(), strip=None, wrong=None):
    """Return a picture and its captions as HTML.

    Args:
        picture: Bytes of a JPEG, PNG or other file that Pillow knows.
        name: String, what to call it.
        captions: List of pairs: a string and its score or `None`; the best
            first.
        references: Strings, what people say.
        strip: PNG bytes of `attention.strip`, of the best caption.
        wrong: Whether the best caption says what is not so; `None` if nobody
            knows.
    """
    alt = html.escape(f"{name}: {captions[0][0]}" if captions else name)
    lines = [f"<header>{html.escape(name)}</header><figure>"]
    lines.append(f'<img src="{_address(picture)}" alt="{alt}"><figcaption>')
    for rank, (text, score) in enumerate(captions):
        lines.append(_caption(text, score, None if rank else wrong))
    if references:
        lines.append("<ul>")
        lines += [f"<li>{html.escape(text)}</li>" for text in references]
        lines.append("</ul>")
    lines.append("</figcaption></figure>")
    if strip is not None:
        lines.append(report.image(strip, "where the decoder looked"))
    return "<article>" + "".join(lines) + "</article>"


def _caption(text, score, wrong):
    notes = [] if score is None else [f"{score:.3f}"]
    if wrong is not None:
        notes.append("wrong" if wrong else "right")
    kind = ' class="wrong"' if wrong else ""
    small = f" <small>{' '.join(notes)}</small>" if notes else ""
    return f"<p{kind}>{html.escape(text)}{small}</p>"


def _address(picture):
    """Return a picture made small, as an address that holds it."""
    small = images.thumbnail(picture, SIDE)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/jpeg;base64,{data}"


def gallery(articles):
    """Return the body of a page, for `report.write_page`.

    Args:
        articles: Iterable of what `article` returns.
    """
    return "\n".join(articles)


def record(name, captions, references=(), wrong=None):
    """Return the same as a dict that JSON can hold.

    Args:
        name: String.
        captions: As of `article`.
        references: As of `article`.
        wrong: As of `article`.

    Returns:
        Dict of `image` and `captions`, a list of dicts of `caption` and
        `score`; of `references` and `wrong` where they are known.
    """
    row = {
        "image": name,
        "captions": [
            {"caption": text, "score": None if score is None else float(score)}
            for text, score in captions
        ],
    }
    if references:
        row["references"] = list(references)
    if wrong is not None:
        row["wrong"] = bool(wrong)
    return row
