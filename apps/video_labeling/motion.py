"""What has changed since the frame before.

    regions  stands beside the numbers that are kept of each region of a frame
    pixels   stands in for the pixels: the network's only input is how much each
             has changed, whatever it shows; for a camera that stands still, and
             for pictures, not for features of a frozen encoder
    none     is not used

Letters of shapes: B batch, T frames, C channels.
"""

import math
from collections.abc import Callable

import keras
from keras import ops

from apps.common.cli import UserError

MOTIONS = ("regions", "pixels", "none")

# Of pixels, which lie between 0 and 255: most changes are small.
CONTRAST = 4.0


class Motion:
    """Compares frames, or their regions, with the frame before.

    Args:
        kind: One of `MOTIONS`.
        model: The `keras.Model` that compares, see `build`; `None` for "none".
    """

    def __init__(self, kind: str, model: keras.Model | None):
        self.kind = kind
        self.model = model

    @classmethod
    def build(
        cls,
        kind: str,
        frame: tuple,
        regions: tuple,
        rows: tuple = (None, None),
    ) -> "Motion":
        """Make the model that compares.

        It takes `(B, T, ..., C)`, the frame before the first, `(B, ..., C)`,
        and `(B, 1)`, one if there was such a frame and zero if not, to
        `(B, T, ..., 2 C)` of regions and `(B, T, ..., C)` of pixels. Where
        there was none, nothing has changed since.

        Args:
            kind: One of `MOTIONS`.
            frame: Shape of a frame.
            regions: Shape of its regions.
            rows: B and T, if they are known.

        Raises:
            UserError: There are no pixels.
        """
        if kind == "none":
            return cls(kind, None)
        if kind == "pixels" and len(frame) != 3:
            raise UserError(
                "--motion pixels needs pictures, and these are features; they"
                " have --motion regions"
            )
        shape = frame if kind == "pixels" else regions
        x = keras.Input(batch_shape=(*rows, *shape), name="now")
        previous = keras.Input(shape, name="before")
        exists = keras.Input((1,), name="there")
        has_previous = ops.reshape(exists, (-1, *[1] * (1 + len(shape)))) > 0
        before = ops.where(has_previous, previous[:, None], _frames(x, 0, 1))
        earlier = ops.concatenate([before, _frames(x, 0, -1)], axis=1)
        change = x - earlier
        if kind == "pixels":
            y = CONTRAST * ops.abs(change)
        else:
            y = ops.concatenate([x, change], axis=-1)
        return cls(kind, keras.Model([x, previous, exists], y, name="motion"))

    @classmethod
    def of_labeler(cls, labeler: keras.Model) -> "Motion":
        """Return what a labeller has inside."""
        if "motion" not in [layer.name for layer in labeler.layers]:
            return cls("none", None)
        model = labeler.get_layer("motion")
        # Changes stand beside regions, and in for pixels.
        as_wide = model.output.shape[-1] == model.inputs[0].shape[-1]
        return cls("pixels" if as_wide else "regions", model)

    @property
    def size(self) -> int:
        """Numbers of a frame that are compared with the next one."""
        if self.model is None:
            return 0
        return math.prod(self.model.inputs[1].shape[1:])

    def __call__(self, frames, encode: Callable, previous: Callable):
        """Take frames to regions, with the changes.

        Args:
            frames: `(B, T, ...)`.
            encode: Function of frames to regions.
            previous: Function of what is compared, frames or regions, to what
                it was before the first of them, and whether there was any, as
                the model takes them.

        Returns:
            The regions, and what was compared, `None` if nothing was.
        """
        compared = None
        if self.kind == "pixels":
            compared, frames = frames, self._compare(frames, previous)
        x = encode(frames)
        if self.kind == "regions":
            compared, x = x, self._compare(x, previous)
        return x, compared

    def _compare(self, x, previous):
        # A run that was trained by an older version takes a frame of zeros for
        # none: its model has no third input.
        return self.model([x, *previous(x)][: len(self.model.inputs)])


def _frames(x, begin, end):
    """Return the frames from `begin` to `end`, `(B, ?, ...)`."""
    if None in x.shape:
        return x[:, begin:end]
    # The gradient of this takes a tenth of the time of that one's.
    start = (0, begin, *[0] * (len(x.shape) - 2))
    count = len(range(x.shape[1])[begin:end])
    return ops.slice(x, start, (x.shape[0], count, *x.shape[2:]))


def no_previous(x):
    """Return what stands for the frame before the first of `(B, T, ...)`."""
    previous = ops.zeros_like(x[:, 0])
    exists = ops.reshape(previous, (-1, math.prod(x.shape[2:])))[:, :1]
    return previous, exists


class PreviousFrame(keras.layers.Layer):
    """In training: the last frame of the chunk before.

    Call arguments:
        x: Of frames, `(B, K, ...)`, K frames of a chunk.
        begins: Boolean `(B,)`, true where the row begins another video.

    Returns:
        `(B, ...)`, zeros where a video begins; and `(B, 1)`, whether there was
        such a frame, one or zero.
    """

    def build(self, shape):
        """Make the variable of the last frame."""
        self.last = self.add_weight(
            name="kept",  # in the backups of runs that exist
            shape=(shape[0], *shape[2:]),
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    def call(self, x, begins):
        """Return the last frame of before, and store the last of now."""
        exists = ops.cast(ops.logical_not(begins), "float32")[:, None]
        factor = ops.reshape(exists, (-1, *[1] * (len(x.shape) - 2)))
        previous = self.last.value * factor
        last = ops.stop_gradient(x[:, -1])
        self.last.assign(ops.cast(last, self.last.dtype))
        return ops.cast(previous, x.dtype), ops.cast(exists, x.dtype)
