"""Train word vectors, score them, export them.

make train-word-vectors
make train-word-vectors ARGS="--dataset files --data-path FOLDER"
python -m apps.word_vectors.train --model cbow --pairs wordsim353.tsv
"""

from apps.common import cli, outcome
from apps.common.terminal import echo

from .config import PRESETS, Config

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    config = cli.command(Config, PRESETS)

from apps.common import checkpoint, faults, runs
from apps.common.tensorboard import TensorBoard

from . import evaluate, export, model, scores, show
from .predict import Predictor

# Words that training reads in all, if that is neither too few epochs nor too
# many: a small text is read again and again.
_WORDS, _FEWEST, _MOST = 50_000_000, 5, 40


def train(config: Config) -> dict:
    """Run one training from raw text to exported model; return its record."""
    # 1. Run folder.
    with runs.start("word_vectors", config) as run:
        runs.make_deterministic(config.seed, True)  # XLA compiles the step

        # 2. Data.
        data = evaluate.read_data(config)
        runs.keep_lines(run, "vocabulary.txt", data.vocabulary.words)
        runs.keep_data(run, data)
        echo(*data.report(), sep="\n")

        # 3. Model.
        words = len(data.train)
        epochs = config.epochs or min(max(_WORDS // words, _FEWEST), _MOST)
        steps = faults.steps(config.train_share, data.train)
        trained, word_vectors = model.build(config, len(data.vocabulary))

        # 4. Objective.
        model.compile_model(trained, config, epochs * steps)

        # 5. Training.
        progress = checkpoint.resume(run, trained)
        batches = faults.dataset(
            config.train_share, data.train, progress.epoch * steps
        )
        part = steps / data.train.steps_per_pass
        run.machines.fit(
            trained,
            batches,
            progress,
            epochs,
            steps,
            callbacks=[
                evaluate.Speed(round(words * part)),
                TensorBoard(
                    run,
                    len(data.train.lengths) * part,
                    data.train.lengths,
                    config.profile,
                ),
                show.Neighbours(run, data, word_vectors),
                # The learning rate falls to nothing: the last epoch is best.
                checkpoint.Checkpoint(
                    run,
                    progress,
                    word_vectors,
                    monitor="words",
                    patience=epochs,
                ),
            ],
        )

        # 6. Test, with the best weights.
        best = Predictor.of_run(run)
        show.write_vectors(run, best)
        own = scores.score(
            best.vectors,
            data.vocabulary,
            data.pairs,
            data.questions,
            evaluate.speed(progress.rows),
        )
        others = evaluate.baseline_scores(data, config)
        result = outcome.Result(
            best.model,
            own.metrics,
            {name: other.metrics for name, other in others.items()},
            progress,
            data.examples,
            own,
            scores.signature(own, len(data.pairs), len(data.questions)),
        )
        show.write_report(run, best, data, result)
        export.write(run, best)
        record = outcome.finish(run, result)
        show.summary(run, best, data, result)
        return record


if __name__ == "__main__":
    cli.main(lambda: train(config))
