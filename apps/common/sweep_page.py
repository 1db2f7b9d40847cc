"""The page of a sweep, its lines on the terminal, and its summary."""

import json
import typing
from collections.abc import Iterator

import numpy as np
from markupsafe import Markup
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from apps.common import report, results, vary
from apps.common.terminal import echo
from data_pipelines.files.atomic import replacing

if typing.TYPE_CHECKING:
    from apps.common.sweep import Sweep

_STATES = {
    TrialState.COMPLETE: "trained",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}


def settings(params: dict) -> str:
    """Return settings in a line."""
    return ", ".join(f"{name} {vary.shown(v)}" for name, v in params.items())


def line(sweep: "Sweep", trial: FrozenTrial) -> str:
    """Return how a trial ended."""
    about = trial.user_attrs
    if trial.state == TrialState.FAIL:
        end = f"failed: {about.get('reason')}"
    elif trial.state == TrialState.PRUNED:
        end = (
            f"stopped after epoch {about['epochs']}, {_best(sweep, trial):.4f}"
        )
    else:
        end = f"{trial.value:.4f} in epoch {about['best_epoch']} of"
        end += f" {about['epochs']}"
    monitor = sweep.record["monitor"]
    return f"trial {trial.number:<4} {settings(trial.params)}: {monitor} {end}"


def _best(sweep, trial):
    values = trial.intermediate_values.values()
    return (min if sweep.record["lower"] else max)(values)


def write(sweep: "Sweep") -> None:
    """Write `sweep.html`, and `summary.json`, which `make results` reads."""
    trials, best = sweep.journal.trials(), sweep.journal.best
    counts = {
        name: sum(trial.state == state for trial in trials)
        for state, name in _STATES.items()
    }
    summary = {
        "monitor": sweep.record["monitor"],
        "trials": counts,
        "best": None
        if best is None
        else {
            "trial": best.number,
            "value": best.value,
            "settings": settings(best.params),
        },
    }
    with replacing(sweep.path / results.SWEEP) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n")
    done = sweep.journal.trials(TrialState.COMPLETE)
    charts = []
    if done:
        note = f"{sweep.record['monitor']} of each trial, in their order."
        charts.append(("Trials", [history(sweep)], note))
        note = "Of the trials that were trained to the end, by each setting."
        charts.append(("Values", list(slices(sweep)), note))
    report.render(
        sweep.path / "sweep.html",
        "common/templates/sweep.html.jinja",
        title=f"{sweep.path.name}: {sweep.app.replace('_', ' ')}",
        charts=charts,
        space={name: vary.text(one) for name, one in sweep.space.items()},
        summary=summary,
        importances=sweep.journal.importances(),
        rows=[_row(sweep, trial) for trial in _in_order(sweep, trials)],
        tested=_tested(sweep),
        command=sweep.record.get("command"),
    )


def _in_order(sweep, trials):
    """Return trials, the best first, those without a value last."""
    sign = 1 if sweep.record["lower"] else -1
    whole = [t for t in trials if t.state == TrialState.COMPLETE]
    return [
        *sorted(whole, key=lambda trial: sign * trial.value),
        *(t for t in trials if t.state != TrialState.COMPLETE),
    ]


def _row(sweep, trial):
    about = trial.user_attrs
    value = trial.value
    if trial.state == TrialState.PRUNED:
        value = _best(sweep, trial)
    seconds = about.get("seconds")
    return [
        trial.number,
        *(vary.shown(trial.params[name]) for name in sweep.space),
        _STATES.get(trial.state, "waits"),
        value,
        about.get("epochs"),
        None if seconds is None else f"{seconds / 60:.1f}",
        about.get("reason", ""),
    ]


def _tested(sweep):
    """Return the table of the best settings on test; `None` before that."""
    best = sweep.journal.best
    if best is None:
        return None
    pattern = f"{sweep.path.name}-trial-{best.number}-seed-*"
    groups = results.group(results.read(sweep.path.parent.glob(pattern)))
    return results.table(groups) if groups else None


def summary(sweep: "Sweep", names: list[str]) -> None:
    """Print the best settings, how they score on test, and what is next."""
    best = sweep.journal.best
    echo(f"\nbest     trial {best.number}: {settings(best.params)}")
    echo(f"valid    {sweep.record['monitor']} {best.value:.4f}")
    tested = list(results.read(sweep.path.with_name(n) for n in names))
    for score in tested[0][1]["metrics"] if tested else ():
        values = [record["metrics"][score] for _, record in tested]
        echo(f"test     {score} {results.spread(values)}")
    echo(f"wrote {sweep.path / 'sweep.html'}")


def history(sweep: "Sweep") -> Markup:
    """Draw the values of trials in their order, and the best until each."""
    from matplotlib.ticker import MaxNLocator

    trials = sweep.journal.trials(TrialState.COMPLETE, TrialState.PRUNED)
    drawn = report.figure(4.2, 2.6)
    axes = drawn.subplots()
    for state, marker in ((TrialState.PRUNED, "x"), (TrialState.COMPLETE, "o")):
        own = [t for t in trials if t.state == state]
        axes.plot(
            [t.number for t in own],
            [_best(sweep, t) for t in own],
            marker,
            label=_STATES[state],
            ms=4,
        )
    whole = [t for t in trials if t.state == TrialState.COMPLETE]
    best = np.minimum if sweep.record["lower"] else np.maximum
    axes.step(
        [t.number for t in whole],
        best.accumulate([t.value for t in whole]),
        where="post",
        lw=1,
        label="best",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("trial")
    axes.set_ylabel(sweep.record["monitor"])
    axes.legend(frameon=False, fontsize=7)
    return report.svg(drawn, "values of the trials in their order")


def slices(sweep: "Sweep") -> Iterator[Markup]:
    """Draw the values of whole trials over each setting."""
    from matplotlib.ticker import LogLocator, NullFormatter

    trials = sweep.journal.trials(TrialState.COMPLETE)
    values = [trial.value for trial in trials]
    for name, one in sweep.space.items():
        drawn = report.figure(4.2, 2.6)
        axes = drawn.subplots()
        chosen = [trial.params[name] for trial in trials]
        if isinstance(one, CategoricalDistribution):
            labels = [vary.shown(choice) for choice in one.choices]
            axes.set_xticks(range(len(labels)), report.literal(labels))
            axes.set_xlim(-0.5, len(labels) - 0.5)
            chosen = [one.choices.index(choice) for choice in chosen]
        elif one.log:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.plot(chosen, values, "o", ms=4)
        axes.set_title(name)
        yield report.svg(drawn, f"{sweep.record['monitor']} by {name}")
