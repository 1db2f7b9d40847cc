"""Learning rates that change over a training."""

import keras


def warmup_cosine(
    peak: float, steps: int, warmup: int, floor: float
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return a linear warm-up to the peak, followed by a cosine decay.

    Args:
        peak: The largest learning rate.
        steps: Length of the whole training, in batches.
        warmup: Batches until the peak is reached.
        floor: Share of the peak that is left after the last step.
    """
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(steps - warmup, 1),
        alpha=floor,
        warmup_target=peak,
        warmup_steps=warmup,
    )
