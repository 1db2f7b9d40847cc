"""What has changed since the frame before.

    regions  stands beside the numbers that are kept of each region of a frame
    pixels   stands in for the pixels: by how much each has changed, whatever it
             shows, is all that the network sees; for a camera that stands
             still, and for pictures, not for features of a frozen encoder
    none     is not looked at

Letters of shapes: B batch, T frames, C channels.
"""

import keras
from keras import ops

WAYS = ("regions", "pixels", "none")

# Of pixels, which lie between 0 and 255: most changes are small.
CONTRAST = 4.0


def change(way, frame, regions):
    """Returns the model that compares frames, or their regions.

    It takes `(B, T, ..., C)` and the frame before the first one, `(B, ..., C)`,
    to `(B, T, ..., 2 C)` of regions and `(B, T, ..., C)` of pixels.  A frame
    before that is zero stands for none, and nothing has changed since.

    Args:
        way: One of `WAYS`.
        frame: Shape of a frame.
        regions: Shape of its regions.

    Returns:
        The `keras.Model`, or `None`.
    """
    if way == "none":
        return None
    shape = frame if way == "pixels" else regions
    x = keras.Input((None, *shape), name="now")
    before = keras.Input(shape, name="before")
    earlier = ops.concatenate([before[:, None], x[:, :-1]], axis=1)
    axes = tuple(range(1, len(shape) + 1))
    there = ops.any(ops.not_equal(before, 0), axis=axes, keepdims=True)
    changed = x - earlier
    first = ops.where(there, changed[:, 0], 0)
    changed = ops.concatenate([first[:, None], changed[:, 1:]], axis=1)
    if way == "pixels":
        found = CONTRAST * ops.abs(changed)
    else:
        found = ops.concatenate([x, changed], axis=-1)
    return keras.Model([x, before], found, name="motion")


def seen(way, change, see, frames, before):
    """Takes frames to regions, with changes as the way wants them.

    Args:
        way: One of `WAYS`.
        change: What `change` returned.
        see: Function of frames to regions.
        frames: What it takes.
        before: Function of what is compared, frames or regions, to what it
            was before the first of them.

    Returns:
        The regions, and what was compared, `None` if nothing was.
    """
    compared = None
    if way == "pixels":
        compared = frames
        frames = change([frames, before(frames)])
    x = see(frames)
    if way == "regions":
        compared = x
        x = change([x, before(x)])
    return x, compared


def none(x):
    """Returns what stands for the frame before the first of `(B, T, ...)`."""
    return ops.zeros_like(x[:, 0])


def of(labeler):
    """Returns the model of changes inside a labeller, and its way."""
    if "motion" not in [layer.name for layer in labeler.layers]:
        return None, "none"
    change = labeler.get_layer("motion")
    pictures = len(change.inputs[1].shape) == 4
    return change, "pixels" if pictures else "regions"
