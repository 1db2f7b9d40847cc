"""What has changed since the frame before.

    regions  stands beside the numbers that are kept of each region of a frame
    pixels   stands in for the pixels: by how much each has changed, whatever it
             shows, is all that the network sees; for a camera that stands
             still, and for pictures, not for features of a frozen encoder
    none     is not looked at

Letters of shapes: B batch, T frames, C channels.
"""

import math

import keras
from keras import ops

from apps.common.cli import UserError

WAYS = ("regions", "pixels", "none")

# Of pixels, which lie between 0 and 255: most changes are small.
CONTRAST = 4.0


def change(way, frame, regions):
    """Returns the model that compares frames, or their regions.

    It takes `(B, T, ..., C)`, the frame before the first one, `(B, ..., C)`,
    and `(B, 1)`, one if there was such a frame and zero if not, to
    `(B, T, ..., 2 C)` of regions and `(B, T, ..., C)` of pixels.  Where there
    was none, nothing has changed since.

    Args:
        way: One of `WAYS`.
        frame: Shape of a frame.
        regions: Shape of its regions.

    Returns:
        The `keras.Model`, or `None`.

    Raises:
        UserError: There are no pixels.
    """
    if way == "none":
        return None
    if way == "pixels" and len(frame) != 3:
        raise UserError(
            "--motion pixels needs pictures, and these are features; they have"
            " --motion regions"
        )
    shape = frame if way == "pixels" else regions
    x = keras.Input((None, *shape), name="now")
    before = keras.Input(shape, name="before")
    there = keras.Input((1,), name="there")
    earlier = ops.concatenate([before[:, None], x[:, :-1]], axis=1)
    changed = x - earlier
    was = ops.reshape(there, (-1, *[1] * len(shape))) > 0
    first = ops.where(was, changed[:, 0], 0)
    changed = ops.concatenate([first[:, None], changed[:, 1:]], axis=1)
    if way == "pixels":
        found = CONTRAST * ops.abs(changed)
    else:
        found = ops.concatenate([x, changed], axis=-1)
    return keras.Model([x, before, there], found, name="motion")


def seen(way, change, see, frames, before):
    """Takes frames to regions, with changes as the way wants them.

    Args:
        way: One of `WAYS`.
        change: What `change` returned.
        see: Function of frames to regions.
        frames: What it takes.
        before: Function of what is compared, frames or regions, to what it
            was before the first of them, and whether there was any, as the
            model of `change` takes them.

    Returns:
        The regions, and what was compared, `None` if nothing was.
    """
    compared = None
    if way == "pixels":
        compared = frames
        frames = _changed(change, frames, before)
    x = see(frames)
    if way == "regions":
        compared = x
        x = _changed(change, x, before)
    return x, compared


def _changed(change, x, before):
    # A run that was trained by an older version takes a frame of zeros for
    # none: its model has no third input.
    return change([x, *before(x)][: len(change.inputs)])


def none(x):
    """Returns what stands for the frame before the first of `(B, T, ...)`."""
    before = ops.zeros_like(x[:, 0])
    return before, ops.reshape(before, (-1, math.prod(x.shape[2:])))[:, :1]


def of(labeler):
    """Returns the model of changes inside a labeller, and its way."""
    if "motion" not in [layer.name for layer in labeler.layers]:
        return None, "none"
    change = labeler.get_layer("motion")
    # Changes stand beside regions, and in for pixels.
    as_wide = change.output.shape[-1] == change.inputs[0].shape[-1]
    return change, "pixels" if as_wide else "regions"
