"""Pictures of any kind and state -> float32 pixels, in TensorFlow alone.

What `images.py` does by Pillow, pixel for pixel, so that a SavedModel sees what
training saw: turned as EXIF or XMP say, on white where transparent, of the
same size by the same fixed-point filter. What cannot be read, is too large or
animated is told by a flag, never by an exception, which would end a server's
whole batch. Of what Pillow reads only BMP files with run lengths are missing.

    pictures, readable = read(tf.constant([content, ...]), (96, 96))

Letters of shapes: N pictures, H height, W width.
"""

import tensorflow as tf

from data_pipelines.vision.images import MOST_PIXELS

# Bits behind the point of Pillow's weights.
_PRECISION = 22
_ORIENTATION = 0x0112


def read(
    contents: tf.Tensor, size: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Read pictures as `images.read` does.

    Args:
        contents: `(N,)` strings, the bytes of their files.
        size: Height and width of the results.

    Returns:
        `(N, H, W, 3)` float32, 0 where a picture cannot be read, and whether
        it can, boolean `(N,)`.
    """

    def with_flag(content):
        # A dataset is the only place where a graph survives an error.
        pictures = tf.data.Dataset.from_tensors(content)
        pictures = pictures.map(lambda x: (_decoded(x, size), True))
        blank = tf.data.Dataset.from_tensors((tf.zeros((*size, 3)), False))
        return pictures.ignore_errors().concatenate(blank).take(1)

    # The empty one at the end is for a batch of none.
    rows = tf.data.Dataset.from_tensor_slices(tf.concat([contents, [""]], 0))
    rows = rows.interleave(
        with_flag,
        cycle_length=4,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    ).batch(tf.shape(contents, tf.int64)[0] + 1)
    pictures, readable = rows.get_single_element()
    return pictures[:-1], readable[:-1]


def resized(picture: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Return a picture in another size, as Pillow's bilinear filter gives it.

    Args:
        picture: `(?, ?, C)`, whole numbers from 0 to 255.
        size: Height and width of the result.

    Returns:
        `(H, W, C)` float32 of whole numbers.
    """
    x = tf.cast(picture, tf.int32)
    for axis, length in ((1, size[1]), (0, size[0])):
        before = tf.shape(x)
        x = tf.transpose(x, (1, 0, 2) if axis else (0, 1, 2))
        x = tf.reshape(x, (before[axis], -1))
        x = tf.sparse.sparse_dense_matmul(_weights(before[axis], length), x)
        x = tf.bitwise.right_shift(x + 2 ** (_PRECISION - 1), _PRECISION)
        x = tf.reshape(x, (length, before[1 - axis], picture.shape[-1]))
        x = tf.transpose(x, (1, 0, 2) if axis else (0, 1, 2))
    x = tf.ensure_shape(x, (*size, picture.shape[-1]))
    return tf.cast(tf.minimum(x, 255), tf.float32)


def _weights(length, new):
    """Return the weights of Pillow's filter, sparse `(new, length)` int32."""
    length = tf.cast(length, tf.float64)
    scale = length / new
    support = tf.maximum(scale, 1.0)
    center = (tf.range(new, dtype=tf.float64) + 0.5) * scale
    first = tf.maximum(tf.floor(center - support + 0.5), 0)
    last = tf.minimum(tf.floor(center + support + 0.5), length)
    taps = first[:, None] + tf.range(tf.reduce_max(last - first))
    weights = 1 - tf.abs((taps - center[:, None] + 0.5) / support)
    weights = tf.where(taps < last[:, None], tf.maximum(weights, 0.0), 0.0)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    weights = tf.cast(tf.floor(weights * 2**_PRECISION + 0.5), tf.int32)
    places = tf.where(weights > 0)
    columns = tf.cast(tf.gather_nd(taps, places), tf.int64)
    return tf.SparseTensor(
        tf.stack([places[:, 0], columns], axis=1),
        tf.gather_nd(weights, places),
        (new, tf.cast(length, tf.int64)),
    )


def _decoded(content, size):
    """Take the bytes of a file to `(H, W, 3)`, or raise an error."""
    data = tf.io.decode_raw(content, tf.uint8)
    start = tf.strings.substr(content, 0, 12)
    kinds = [
        (b"\xff\xd8\xff", _jpeg),
        (b"\x89PNG\r\n\x1a\n", _png),
        (b"GIF87a", _gif),
        (b"GIF89a", _gif),
        (b"BM", _bmp),
        (b"RIFF....WEBP", _webp),
    ]
    is_kind = [
        tf.reduce_all(
            [
                tf.equal(tf.strings.substr(start, at, len(part)), part)
                for at, part in ((0, prefix[:8].rstrip(b".")), (8, prefix[8:]))
                if part
            ]
        )
        for prefix, _ in kinds
    ]
    _require(tf.reduce_any(is_kind))
    pixels, exif = tf.switch_case(
        tf.argmax(is_kind, output_type=tf.int32),
        [lambda read=read: read(content, data) for _, read in kinds],
    )
    orientation = _in_exif(data, exif)
    orientation = tf.where(orientation == 0, _in_xmp(content), orientation)
    rgb = _on_white(tf.ensure_shape(pixels, (None, None, 4)))
    sideways = (orientation >= 5) & (orientation <= 8)
    upright = tf.cond(
        sideways,
        lambda: tf.transpose(resized(rgb, size[::-1]), (1, 0, 2)),
        lambda: resized(rgb, size),
    )
    for axis, turned in ((0, (3, 4, 7, 8)), (1, (2, 3, 6, 7))):
        flip = tf.reduce_any(orientation == turned)
        upright = tf.where(flip, tf.reverse(upright, [axis]), upright)
    return upright


def _on_white(pixels):
    """Compose RGBA on white, rounded as Pillow's `alpha_composite` does."""
    pixels = tf.cast(pixels, tf.int32)
    rgb, alpha = pixels[..., :3], pixels[..., 3:]
    x = (rgb * alpha + 255 * (255 - alpha)) * 128 + (128 << 7)
    shift = tf.bitwise.right_shift
    return shift(shift(x, 8) + x, 15)


def _jpeg(content, data):
    shape = tf.image.extract_jpeg_shape(content)
    _require_size(shape[1], shape[0])
    pixels = tf.io.decode_jpeg(content, 3, dct_method="INTEGER_ACCURATE")

    def step(at, tiff):
        marker = _number(data, at, 2, True)
        ours = (marker == 0xFFE1) & _is_exif(data, at + 4)
        tiff = tf.where(ours & (tiff == 0), at + 10, tiff)
        ends = (marker == 0xFFDA) | (marker < 0xFF00)
        length = 2 + _number(data, at + 2, 2, True)
        return tf.where(ends, tf.size(data, tf.int64), at + length), tiff

    return (_opaque(pixels), *_walk(data, 2, step))


def _png(content, data):
    _require_size(_number(data, 16, 4, True), _number(data, 20, 4, True))

    def step(at, tiff, clear):
        kind = _number(data, at + 4, 4, True)
        # acTL, an animation
        _require((kind != 0x6163544C) | (_number(data, at + 8, 4, True) < 2))
        tiff = tf.where(kind == 0x65584966, at + 8, tiff)  # eXIf
        clear |= kind == 0x74524E53  # tRNS
        return at + 12 + _number(data, at, 4, True), tiff, clear

    clear = _number(data, 25, 1) & 4 > 0
    exif, clear = _walk(data, 8, step, clear)
    pixels = tf.cond(
        clear,
        lambda: tf.io.decode_png(content, 4),
        lambda: _opaque(tf.io.decode_png(content, 3)),
    )
    return pixels, exif


def _webp(content, data):
    # An animation would end the process.
    extended = _number(data, 12, 4, True) == 0x56503858
    _require(~(extended & (_number(data, 20, 1) & 2 > 0)))
    lossy = _number(data, 12, 4, True) == 0x56503820
    sizes = _number(data, 21, 4)
    _require_size(
        tf.case(
            [
                (extended, lambda: _number(data, 24, 3) + 1),
                (lossy, lambda: _number(data, 26, 2) & 0x3FFF),
            ],
            lambda: (sizes & 0x3FFF) + 1,
        ),
        tf.case(
            [
                (extended, lambda: _number(data, 27, 3) + 1),
                (lossy, lambda: _number(data, 28, 2) & 0x3FFF),
            ],
            lambda: (tf.bitwise.right_shift(sizes, 14) & 0x3FFF) + 1,
        ),
    )

    def step(at, tiff):
        kind = _number(data, at, 4, True)
        tiff = tf.where(kind == 0x45584946, at + 8, tiff)  # EXIF
        length = _number(data, at + 4, 4)
        return at + 8 + length + length % 2, tiff

    has_alpha = tf.where(
        extended, _number(data, 20, 1) & 16 > 0, ~lossy & (sizes & 2**28 > 0)
    )
    pixels = tf.cond(
        has_alpha,
        lambda: tf.io.decode_image(content, 4, expand_animations=False),
        lambda: _opaque(
            tf.io.decode_image(content, 3, expand_animations=False)
        ),
    )
    return (pixels, *_walk(data, 12, step))


def _gif(content, data):
    width, height = _number(data, 6, 2), _number(data, 8, 2)
    _require_size(width, height)

    control, image = _gif_blocks(data)
    local = _number(data, image + 9, 1) & 0x80 > 0
    colours = tf.where(local, image + 10, 13)
    flags = _number(data, control + 3, 1)
    transparent = (control > 0) & (flags & 1 > 0)
    # What is transparent is painted white: TensorFlow would make it black. And
    # the canvas is cut to the image, which TensorFlow wants.
    colour = colours + 3 * _number(data, control + 6, 1)
    painted = tf.cond(
        transparent,
        lambda: _replaced(
            _replaced(content, control + 3, b"\0"), colour, b"\xff" * 3
        ),
        lambda: content,
    )
    painted = _replaced(painted, 6, tf.strings.substr(content, image + 5, 4))
    painted = _replaced(painted, image + 1, b"\0" * 4)
    pixels = tf.io.decode_gif(painted)[0]
    left, top, across, down = (
        _number(data, image + k, 2) for k in (1, 3, 5, 7)
    )
    around = [[top, height - top - down], [left, width - left - across], [0, 0]]
    empty = tf.where(transparent, 255, tf.cast(data[colours:][:3], tf.int32))
    inside = tf.pad(tf.ones_like(pixels), around) > 0
    pixels = tf.where(inside, tf.pad(pixels, around), tf.cast(empty, tf.uint8))
    return _opaque(pixels), tf.constant(0, tf.int64)


def _gif_blocks(data):
    """Return the places of the control of the image, or 0, and of the image."""

    def step(at, control_at, image_at, inside):
        kind = _number(data, at, 1)
        image = ~inside & (kind == 0x2C)
        other = ~inside & (kind == 0x21)
        control = other & (_number(data, at + 1, 1) == 0xF9) & (image_at == 0)
        _require(~(image & (image_at > 0)))  # an animation
        control_at = tf.where(control, at, control_at)
        image_at = tf.where(image, at, image_at)
        head = 11 + _table_size(_number(data, at + 9, 1))
        after = tf.case(
            [(inside, lambda: kind + 1), (image, lambda: head)],
            lambda: tf.where(other, tf.constant(2, tf.int64), 1),
        )
        ended = ~inside & (kind == 0x3B)
        inside = image | other | (inside & (kind != 0))
        at = tf.where(ended, tf.size(data, tf.int64), at + after)
        return at, control_at, image_at, inside

    begin = 13 + _table_size(_number(data, 10, 1))
    start = tf.constant(0, tf.int64), tf.constant(False)
    control, image, _ = _walk(data, begin, step, *start)
    return control, image


def _table_size(flags):
    """Return the bytes of a table of colours, or 0 if there is none."""
    bits = tf.cast(flags & 7, tf.int64) + 1
    entries = tf.bitwise.left_shift(tf.ones_like(bits), bits)
    return tf.where(flags & 0x80 > 0, 3 * entries, 0)


def _bmp(content, data):
    head = _number(data, 14, 4)
    old = head == 12
    width = tf.where(old, _number(data, 18, 2), _number(data, 18, 4))
    height = tf.where(old, _number(data, 20, 2), _number(data, 22, 4))
    upside_down = height < 2**31
    height = tf.where(upside_down, height, 2**32 - height)
    _require_size(width, height)
    bits = _number(data, tf.where(old, 24, 28), 2)
    packing = tf.where(old, tf.constant(0, tf.int64), _number(data, 30, 4))
    masked = packing == 3
    _require((packing == 0) | masked)
    stride = (width * bits + 31) // 32 * 4
    start = _number(data, 10, 4)
    rows = data[start : start + stride * height]
    rows = tf.reshape(rows, (height, stride))
    rows = tf.cast(tf.where(upside_down, rows[::-1], rows), tf.int64)

    pixels = tf.cond(
        bits <= 8,
        lambda: _of_palette(data, rows, width, bits),
        lambda: _of_masks(data, rows, width, bits, masked),
    )
    return pixels, tf.constant(0, tf.int64)


def _of_palette(data, rows, width, bits):
    """Take rows of a bitmap `(H, ?)` to RGBA by its table of colours."""
    head = _number(data, 14, 4)
    shifts = tf.range(8 - bits, -1, -bits)
    indices = tf.bitwise.right_shift(rows[..., None], shifts)
    indices &= tf.bitwise.left_shift(tf.ones_like(bits), bits) - 1
    indices = tf.reshape(indices, (tf.shape(rows)[0], -1))[:, :width]
    entry = tf.where(head == 12, tf.constant(3, tf.int64), 4)
    table = data[14 + head : 14 + head + 256 * entry]
    table = tf.pad(table, [[0, 256 * entry - tf.size(table, tf.int64)]])
    table = tf.reshape(table, (256, entry))[:, 2::-1]
    return _opaque(tf.gather(table, indices))


def _of_masks(data, rows, width, bits, masked):
    """Take rows of a bitmap `(H, ?)` to RGBA by masks, its own if `masked`."""
    head = _number(data, 14, 4)
    count = bits // 8
    pixels = tf.reshape(rows[:, : width * count], (-1, width, count))
    values = tf.reduce_sum(
        tf.bitwise.left_shift(pixels, 8 * tf.range(count)), -1
    )
    own = [_number(data, 54 + 4 * k, 4) for k in range(3)]
    own.append(tf.where(head < 56, tf.zeros_like(head), _number(data, 66, 4)))
    usual = tf.where(
        bits == 16,
        tf.constant([0x7C00, 0x3E0, 0x1F, 0], tf.int64),
        tf.constant([0xFF0000, 0xFF00, 0xFF, 0], tf.int64),
    )
    channels = []
    for mask in tf.unstack(tf.where(masked, tf.stack(own), usual)):
        lowest = tf.maximum(mask & -mask, 1)
        most = tf.maximum(mask // lowest, 1)
        value = (values & mask) // lowest * 255 // most
        channels.append(tf.where(mask == 0, tf.ones_like(value) * 255, value))
    return tf.cast(tf.stack(channels, axis=-1), tf.uint8)


def _opaque(rgb):
    """Put an alpha of 255 behind uint8 `(?, ?, 3)`."""
    return tf.concat([rgb, tf.ones_like(rgb[..., :1]) * 255], axis=-1)


def _walk(data, begin, step, *more):
    """Go through the parts of a file; return the place looked for, or 0.

    Args:
        data: uint8, the file.
        begin: Place of the first part.
        step: Function of the place of a part, the place looked for as far as
            it is known, and `more`, to the same for the next part.
        *more: What else is carried, and returned.
    """
    _, *carried = tf.while_loop(
        lambda at, *_: at < tf.size(data, tf.int64),
        step,
        (tf.cast(begin, tf.int64), tf.constant(0, tf.int64), *more),
    )
    return carried


def _is_exif(data, at):
    return _number(data, at, 6, True) == 0x457869660000  # Exif\0\0


def _in_exif(data, tiff):
    """Return the orientation that EXIF data say, or 0."""
    # In PNG and WebP, some programs write the beginning that JPEG wants.
    tiff = tf.where((tiff > 0) & _is_exif(data, tiff), tiff + 6, tiff)
    order = _number(data, tiff, 2, True)
    is_big = order == 0x4D4D

    def number(at, size):
        big, little = (_number(data, at, size, x) for x in (True, False))
        return tf.where(is_big, big, little)

    known = (tiff > 0) & (is_big | (order == 0x4949))
    version = number(tiff + 2, 2)
    known &= (version == 42) | (version == 42 << 8) | (is_big & (version == 43))
    directory = tiff + number(tiff + 4, 4)
    count = tf.where(known, number(directory, 2), 0)

    def orientation(index, value):
        entry = directory + 2 + 12 * index
        kind = number(entry + 2, 2)
        short = tf.where(kind == 3, tf.constant(2, tf.int64), 1)
        size = tf.where(kind == 4, tf.constant(4, tf.int64), short)
        ours = number(entry, 2) == _ORIENTATION
        return index + 1, tf.where(ours, number(entry + 8, size), value)

    zero = tf.constant(0, tf.int64)
    return tf.while_loop(
        lambda index, _: index < count, orientation, (zero, zero)
    )[1]


def _in_xmp(content):
    """Return the orientation that XMP data say, or 0, as Pillow looks it up."""
    pattern = r'\C*?tiff:Orientation(?:="|>)([0-9])\C*'
    digit = tf.strings.regex_replace(content, rf"^{pattern}$", r"\1")
    is_one = tf.strings.length(digit) == 1
    return tf.strings.to_number(tf.where(is_one, digit, "0"), tf.int64)


def _number(data, at, size, big=False):
    """Return a number of some bytes at a place; what is missing is zero."""
    part = tf.cast(data[at : at + size], tf.int64)
    size = tf.cast(size, tf.int64)
    part = tf.pad(part, [[0, size - tf.size(part, tf.int64)]])
    shifts = 8 * tf.range(size)
    return tf.reduce_sum(
        tf.bitwise.left_shift(part, shifts[::-1] if big else shifts)
    )


def _replaced(content, at, new):
    """Return a string with some bytes replaced."""
    at = tf.cast(at, tf.int32)
    after = at + tf.strings.length(new)
    end = tf.strings.substr(content, after, tf.strings.length(content) - after)
    return tf.strings.join([tf.strings.substr(content, 0, at), new, end])


def _require_size(width, height):
    width, height = tf.cast(width, tf.int64), tf.cast(height, tf.int64)
    _require((width > 0) & (height > 0) & (width * height <= MOST_PIXELS))


def _require(condition):
    tf.debugging.Assert(condition, ["a picture that cannot be read"])
