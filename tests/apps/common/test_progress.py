import math

import pytest

from apps.common.progress import Progress


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
@pytest.mark.parametrize("lower", [False, True])
def test_gains_too_small_for_their_scale_are_not_waited_for(scale, lower):
    # From 1 to 0.5; then by 1e-7 an epoch, of which 5,000 are a thousandth.
    losses = [1.0, 0.75, *(0.5 - 1e-7 * n for n in range(6))]
    sign = 1 if lower else -1
    progress = Progress()
    for epoch, loss in enumerate(losses, 1):
        # A constant changes nothing: log densities may be negative.
        value = scale * (loss - 0.9)
        assert progress.add(epoch, sign * value, value, lower)
    assert (progress.waited, progress.best_epoch) == (5, 8)
    value -= scale * 6e-4  # all small gains count together
    progress.add(9, sign * value, value, lower)
    assert progress.waited == 0


def test_either_score_or_loss_is_waited_for():
    def waited(scores, losses):
        progress = Progress()
        for epoch, (score, loss) in enumerate(zip(scores, losses, strict=True)):
            progress.add(epoch + 1, score, loss)
        return progress.waited

    assert waited([0.5, 0.6, 0.6, 0.6], [4, 3, 2, 1]) == 0
    assert waited([0.5, 0.6, 0.7, 0.8], [4, 5, 6, 7]) == 0
    assert waited([0.5, 0.6, 0.6, 0.6], [4, 5, 6, 7]) == 2
    assert waited([0.5, 0.6, 0.6, 0.6], [math.inf] * 4) == 2
