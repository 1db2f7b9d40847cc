"""When compiling with XLA pays."""

from apps.common.terminal import echo

# To compile takes three seconds or more of a core: for training, and for each
# size of a batch that is predicted. A step then takes two thirds of the time or
# less: 33 ms and not 51 for 64 texts of 60 words, 8 and not 10 for 8 of 32
# (GRUs of 64 units, two cores). Early stopping makes steps fewer than planned.
STEPS = 300


def pays_off(steps: int) -> bool:
    """Return whether to compile recurrent loops; if so, say it in a line.

    A run that is resumed gets the same answer: it depends on nothing else.

    Args:
        steps: The length of training.
    """
    if steps < STEPS:
        return False
    echo("compiling the recurrent loops (once), in the first steps")
    return True
