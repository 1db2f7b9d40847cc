"""How far a training has come, and whether it is worth waiting for more."""

import dataclasses
import math

# What counts as an improvement, as a share of all improvement so far: on easy
# data a loss falls for ever, by less and less.
_LEAST_FALL = 1e-3


@dataclasses.dataclass
class Progress:
    """How far a run has come."""

    epoch: int = 0  # epochs done
    best: float | None = None  # best value of the monitored score
    best_epoch: int = 0
    best_loss: float = math.inf  # on valid, of the best epoch
    # On valid, of each epoch: the monitored score, negative if higher ones are
    # better, and the loss.
    scores: list[float] = dataclasses.field(default_factory=list)
    losses: list[float] = dataclasses.field(default_factory=list)
    seconds: float = 0.0  # of training, kills and restarts included
    stopped: bool = False  # no more epochs are wanted
    ending: str = ""  # why there are no more, in words
    rows: list = dataclasses.field(default_factory=list)  # of log.csv

    def add(
        self, epoch: int, score: float, loss: float, lower: bool = False
    ) -> bool:
        """Add the results of an epoch on valid; return whether it is the best.

        Among equal scores, which few examples make common, the lower loss is.

        Args:
            epoch: Its number, from 1 on.
            score: The monitored score.
            loss: The loss; infinite if there is none.
            lower: Whether lower scores are better.
        """
        self.epoch = epoch
        self.scores.append(score if lower else -score)
        self.losses.append(loss)
        if self.best is not None:
            better = score < self.best if lower else score > self.best
            equal = score == self.best and loss < self.best_loss
            if not (better or equal):
                return False
        self.best, self.best_loss, self.best_epoch = score, loss, epoch
        return True

    @property
    def waited(self) -> int:
        """Epochs since score or loss gained what is worth waiting for."""
        return min(_since_better(self.scores), _since_better(self.losses))


def _since_better(values):
    """Return how many epochs ago values fell by a share of all they fell."""
    mark, since = values[0], 0
    for value in values[1:]:
        since += 1
        if value < mark - _LEAST_FALL * (values[0] - mark):
            mark, since = value, 0
    return since
