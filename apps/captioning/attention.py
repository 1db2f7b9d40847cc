"""Pictures of where the decoder looked, word by word."""

import functools
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# In pixels: the longer side of a tile, what is between tiles, a line of text,
# and how wide a strip becomes at most, which TensorBoard shows at its size.
TILE = 96
GAP = 8
LINE = 18
WIDTH = 416

# Largest and smallest letters; words that are longer still are cut.
LETTERS = (13, 9)

# What hides the parts that nobody looks at: a colour, and how much of it. It
# can be seen on dark pictures and on bright ones.
FOG = (150, 158, 170)
THICK = 0.8


def fog(weights: np.ndarray) -> np.ndarray:
    """Return how much fog hides each region: none the one with most weight."""
    return THICK * (1 - weights / max(weights.max(), 1e-9))


def overlay(picture: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Lay fog over a picture where the decoder did not look.

    The region with the largest weight is clear; the others are the more in
    fog, the smaller their weights are beside it. So equal weights leave the
    picture as it is.

    Args:
        picture: `(H, W, 3)`, uint8.
        weights: `(rows, columns)`, not negative; only their ratios matter.

    Returns:
        `(H, W, 3)`, uint8.
    """
    picture = np.asarray(picture)
    height, width = picture.shape[:2]
    weights = np.asarray(weights, "float32")
    smooth = Image.fromarray(weights / max(weights.max(), 1e-9)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    light = np.clip(np.asarray(smooth), 0, 1)[..., None]  # (H, W, 1)
    fog = THICK * (1 - light)
    shaded = (1 - fog) * picture + fog * np.array(FOG, "float32")
    return np.rint(shaded).astype("uint8")


def strip(picture: np.ndarray, words: list[str], weights: np.ndarray) -> bytes:
    """Draw a picture, and for each word where the decoder looked.

    T words.

    Args:
        picture: `(H, W, 3)`, uint8.
        words: List of T strings.
        weights: `(T, rows, columns)`, see `overlay`.

    Returns:
        PNG bytes: small pictures in rows, the first as it is, each other with
        its word above.
    """
    small = Image.fromarray(picture)
    small.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    pixels = np.asarray(small)
    tiles = [("", pixels)]
    for word, of_word in zip(words, weights, strict=True):
        tiles.append((word, overlay(pixels, of_word)))
    across = min(len(tiles), (WIDTH + GAP) // (TILE + GAP))
    down = -(-len(tiles) // across)
    step = (TILE + GAP, LINE + small.height + GAP)
    sheet = Image.new(
        "RGB", (across * step[0] - GAP, down * step[1] - GAP), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for number, (word, tile) in enumerate(tiles):
        left, top = number % across * step[0], number // across * step[1]
        middle = left + TILE // 2
        _write(draw, (middle, top + LINE - 5), word)
        corner = (middle - small.width // 2, top + LINE)
        sheet.paste(Image.fromarray(tile), corner)
    return _png(sheet)


def titled(picture: np.ndarray, text: str) -> bytes:
    """Draw a picture with a text below it, in as many lines as it needs.

    Return PNG bytes, two tiles wide.
    """
    width = 2 * TILE
    small = Image.fromarray(picture)
    small.thumbnail((width, width), Image.Resampling.LANCZOS)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if _font(LETTERS[0]).getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    sheet = Image.new(
        "RGB", (width, LINE + small.height + LINE * len(lines)), "white"
    )
    sheet.paste(small, ((width - small.width) // 2, LINE))
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines, 1):
        anchor = (width // 2, LINE + small.height + LINE * number - 5)
        _write(draw, anchor, line, width)
    return _png(sheet)


def _write(draw, anchor, word, most=TILE):
    """Write a word centred above a point, at most so wide."""
    for size in range(LETTERS[0], LETTERS[1] - 1, -1):
        font = _font(size)
        if font.getlength(word) <= most:
            break
    while font.getlength(word) > most:
        word = word.removesuffix("\u2026")[:-1] + "\u2026"
    draw.text(anchor, word, "#1b1f24", font, anchor="ms")


@functools.cache
def _font(size):
    """Return the letters that matplotlib brings along."""
    import matplotlib

    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(path, size)


def _png(sheet):
    buffer = io.BytesIO()
    # 256 colours are a third of the bytes. This method keeps colours of which
    # there is little; the dots of dithering keep the fog smooth.
    palette = sheet.quantize(method=Image.Quantize.FASTOCTREE)
    colours = palette.getpalette()
    white = 3 * palette.getpixel((0, 0))  # above the first tile
    colours[white : white + 3] = 255, 255, 255
    palette.putpalette(colours)
    dotted = sheet.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    dotted.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
