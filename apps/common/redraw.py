"""Test a trained run again, and write its report, card and export anew.

    make report-sentiment ARGS="--run demo-gru"

It is the run's own training, which has nothing left to train. Of an error
nothing but a line is left: `metrics.json` stays as it was.
"""

import dataclasses
import importlib

from apps.common import cli, runs
from apps.common.terminal import echo
from data_pipelines.files.atomic import replacing


@dataclasses.dataclass(frozen=True)
class Options(runs.Options):
    """Test a finished run again, and write its report anew."""

    app: str = cli.flag("", "app of the run")

    def check(self) -> None:
        """Refuse a run that is not where it was trained, or not trained."""
        run = runs.find_run(self.app, self.run, self.runs_path)
        if not (run.finished and run.begun):
            raise cli.UserError(
                f"{run.path} has no metrics.json or no backup/ of its"
                " training; repeat the command of the run"
            )
        if run.path.parent.name != self.app:
            raise cli.UserError(
                f"{run.path} is outside of a folder {self.app}/; move it there"
            )


def main(options: Options) -> None:
    """Let the app's `train` take a run for one that is to be tested."""
    run = runs.find_run(options.app, options.run, options.runs_path)
    config = run.config(
        importlib.import_module(f"apps.{run.app}.config").Config
    )
    config = dataclasses.replace(
        config, name=run.name, runs_path=str(run.path.parents[1])
    )
    train = importlib.import_module(f"apps.{run.app}.train").train
    path = run.file("metrics.json")
    scores = path.read_bytes()
    path.unlink()
    try:
        train(config)
    except BaseException:
        if not path.exists():
            with replacing(path) as temporary:
                temporary.write_bytes(scores)
        raise
    echo(f"wrote {run.file('report.html')}")


if __name__ == "__main__":
    cli.main(lambda: main(cli.command(Options)))
