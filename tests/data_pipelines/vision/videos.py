"""Videos whose frames say which they are."""

from fractions import Fraction

import av
import numpy as np
import pytest

from data_pipelines.vision import video
from data_pipelines.vision.video import VideoError

H, W = 48, 64

# Ending -> codec and pixels that it can hold.
KINDS = {
    "mp4": ("libx264", "yuv420p"),
    "mov": ("mjpeg", "yuvj420p"),
    "avi": ("mpeg4", "yuv420p"),
    "webm": ("libvpx-vp9", "yuv420p"),
    "gif": ("gif", "rgb8"),
    "mkv": ("libx264", "yuv420p"),
    "flv": ("flv", "yuv420p"),
    "mpg": ("mpeg2video", "yuv420p"),
    "ts": ("mpeg2video", "yuv420p"),
    "asf": ("wmv2", "yuv420p"),
    "m4v": ("mpeg4", "yuv420p"),
    "h264": ("libx264", "yuv420p"),
}


def shade(number):
    """A grey that says which frame it is."""
    return 10 + 8 * (number % 30)


def frame(number):
    """The shade on the left; white top right, black bottom right."""
    pixels = np.full((H, W, 3), shade(number), np.uint8)
    pixels[: H // 2, W // 2 :] = 255
    pixels[H // 2 :, W // 2 :] = 0
    return pixels


def encode(
    path,
    count=30,
    *,
    rate=10,
    times=None,
    last=None,
    rotation=None,
    matrix=None,
    aspect=None,
    codec=None,
    coding=None,
    tags=None,
    **options,
):
    """Writes a file of `frame`s, so many a second or at these times (in ms).

    With `last` each frame lasts until the next one, and the last so many ms;
    `coding` are options of the codec.
    """
    usual, pixels = KINDS[path.suffix[1:]]
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(tags or {})
        stream = container.add_stream(codec or usual, rate, coding or {})
        stream.height, stream.width, stream.pix_fmt = H, W, pixels
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if matrix is not None:
            stream.set_display_matrix(matrix)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if times is not None:
            # A GIF counts hundredths.
            base = Fraction(1, 100 if path.suffix == ".gif" else 1000)
            stream.time_base = stream.codec_context.time_base = base
        packets = []
        for number in range(count):
            shot = av.VideoFrame.from_ndarray(frame(number), format="rgb24")
            if times is not None:
                shot.pts, shot.time_base = times[number], Fraction(1, 1000)
            packets += stream.encode(shot)
        packets += stream.encode()
        if last is not None:
            lengths = np.diff([*times, times[-1] + last])
            lasting = dict(zip(times, lengths, strict=True))
            for packet in packets:
                start = round(1000 * packet.pts * packet.time_base)
                lasts = Fraction(int(lasting[start]), 1000)
                packet.duration = int(lasts / packet.time_base)
        container.mux(packets)
    return path


def numbers(frames):
    """Which `frame`s they are, by their shades."""
    actual = [float(np.mean(f[:, : f.shape[1] // 4])) for f in frames]
    shades = np.array([shade(n) for n in range(30)])
    nearest = np.abs(np.array(actual)[:, None] - shades).argmin(1)
    return nearest.tolist()


def fails(path, **options):
    with pytest.raises(VideoError) as caught:
        list(video.frames(path, (24, 32), **options))
    message = str(caught.value)
    assert "\n" not in message
    assert message == f"{path}: {caught.value.reason}"
    return caught.value.reason
