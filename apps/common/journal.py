"""The trials of a sweep, as Optuna keeps them in a file.

Several processes write one journal, and each of them may be killed at any time.
"""

import os
import typing
from pathlib import Path

import filelock
import optuna
from optuna.storages.journal import JournalFileBackend, JournalStorage
from optuna.trial import FrozenTrial, TrialState

# Trials that are trained to the end before any is stopped, and epochs of each
# trial that are let be.
_WHOLE, _EPOCHS = 5, 1

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Journal:
    """The trials of a sweep.

    Args:
        path: The file.
        lower: Whether lower values are better.
        prune: Whether trials are stopped that are worse than half of those
            before: the best value until an epoch is compared with the median of
            theirs at that epoch.
    """

    def __init__(self, path: Path, lower: bool, prune: bool = True):
        self.storage = JournalStorage(
            JournalFileBackend(str(path), lock_obj=_Lock(path))
        )
        pruners = optuna.pruners
        self.study = optuna.create_study(
            storage=self.storage,
            study_name="sweep",
            direction="minimize" if lower else "maximize",
            pruner=pruners.MedianPruner(_WHOLE, n_warmup_steps=_EPOCHS + 1)
            if prune
            else pruners.NopPruner(),
            load_if_exists=True,
        )
        self._study = self.storage.get_study_id_from_name("sweep")

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return all trials, or those of some states."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def begin(self, params: dict, space: dict) -> int:
        """Write down a trial that begins; return its number."""
        trial = optuna.trial.create_trial(
            state=TrialState.RUNNING, params=params, distributions=space
        )
        new = self.storage.create_new_trial(self._study, trial)
        return self.storage.get_trial(new).number

    def _id(self, number):
        return self.storage.get_trial_id_from_study_id_trial_number(
            self._study, number
        )

    def trial(self, number: int) -> FrozenTrial:
        """Return what is known of a trial."""
        return self.storage.get_trial(self._id(number))

    def report(self, number: int, epoch: int, value: float) -> None:
        """Write down the value of an epoch, once."""
        if epoch not in self.trial(number).intermediate_values:
            self.storage.set_trial_intermediate_value(
                self._id(number), epoch, value
            )

    def is_hopeless(self, number: int) -> bool:
        """Return whether a trial is to be stopped."""
        trial = self.trial(number)
        return bool(self.study.pruner.prune(self.study, trial))

    def end(
        self,
        number: int,
        state: TrialState,
        value: float | None = None,
        **about: typing.Any,
    ) -> None:
        """Write down how a trial ended.

        Args:
            number: Of the trial.
            state: How.
            value: Of one that is complete.
            **about: What else there is to say.
        """
        for name, fact in about.items():
            self.storage.set_trial_user_attr(self._id(number), name, fact)
        self.study.tell(number, value, state)

    @property
    def best(self) -> FrozenTrial | None:
        """The best trial that was trained to the end, if any was."""
        complete = self.trials(TrialState.COMPLETE)
        return self.study.best_trial if complete else None

    def importances(self) -> dict[str, float]:
        """Return how much each setting matters, shares of one; perhaps none.

        By PED-ANOVA (Watanabe et al. 2023), of the trials that were trained to
        the end: how other the values of a setting are among the better half.
        """
        values = {t.value for t in self.trials(TrialState.COMPLETE)}
        if len(values) < 2:
            return {}
        return optuna.importance.get_param_importances(self.study)


class _Lock:
    """The lock of the file, which the system opens when a process ends.

    Optuna's own waits half a minute for a process that was killed. A line that
    such a one has not written to its end is removed.
    """

    def __init__(self, path):
        self.path = path
        self.lock = filelock.FileLock(f"{path}.lock")

    def acquire(self):
        self.lock.acquire()
        with open(self.path, "rb+") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - 1, 0))
            if end and file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
                os.fsync(file.fileno())
        return True

    def release(self):
        self.lock.release()
