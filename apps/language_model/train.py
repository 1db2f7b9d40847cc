"""Train a language model, test it once, export it.

make train-language-model
make train-language-model ARGS="--dataset files --data-path FOLDER"
python -m apps.language_model.train --tokens characters --cell peephole_lstm
"""

from apps.common import cli, outcome
from apps.common.terminal import echo

from .config import PRESETS, Config

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    config = cli.command(Config, PRESETS)

import keras

from apps.common import checkpoint, compilation, faults, runs, transfer
from apps.common.tensorboard import TensorBoard
from data_pipelines import language_model as pipeline

from . import evaluate, export, model, scores, show
from .predict import Predictor


def train(config: Config) -> dict:
    """Run one training from raw text to exported model; return its record."""
    # 1. Run folder.
    with runs.start("language_model", config) as run:
        runs.make_deterministic(config.seed, config.jit_compile)

        # 2. Data.
        origin = transfer.origin(run, config)
        data = pipeline.make_datasets(
            config.dataset,
            config.data_path or None,
            cache_path=config.cache_path,
            tokens=config.tokens,
            unit=config.unit,
            vocabulary_size=config.vocabulary_size,
            minimum_count=config.minimum_count,
            batch_size=config.batch_size,
            chunk=config.chunk,
            seed=config.seed,
            download=config.download,
            encoding=config.encoding,
            adapt=origin and origin.words("vocabulary.txt"),
        )
        runs.keep_lines(run, "vocabulary.txt", data.tokenizer.pieces)
        runs.keep_data(run, data)
        echo(*data.report(), sep="\n")

        # 3. Model.
        if config.mixed_precision:
            keras.config.set_dtype_policy(f"mixed_{config.mixed_precision}")
        size = len(data.tokenizer)
        steps = faults.steps(config.train_share, data.train)
        epochs = config.epochs or checkpoint.epochs(steps, 6000, 3, 15)
        trained, language_model = model.build(
            config, size, compilation.pays_off(epochs * steps)
        )
        transfer.transfer(
            origin, language_model, model.names(origin, data.tokenizer)
        )

        # 4. Objective.
        model.compile_model(trained, config, epochs * steps)

        # 5. Training.
        progress = checkpoint.resume(run, trained)
        validation = evaluate.Validation(
            data, Predictor(language_model, data.tokenizer, config)
        )
        first = progress.epoch * steps
        batches = faults.dataset(
            config.train_share, data.train, first, run.machines.shard
        )
        if model.samples(config, size):
            batches = batches.map(model.sampled_targets)
        run.machines.fit(
            trained,
            batches,
            progress,
            epochs,
            steps,
            callbacks=[
                validation,
                TensorBoard(
                    run,
                    len(data.train.lengths) * steps / data.train.steps_per_pass,
                    data.train.lengths,
                    config.profile,
                ),
                show.Samples(run, data, validation),
                checkpoint.Checkpoint(
                    run,
                    progress,
                    language_model,
                    monitor="val_loss",
                    mode="min",
                    patience=checkpoint.patience(config.patience, steps),
                ),
            ],
        )

        # 6. Test, with the best weights.
        best = Predictor.of_run(run)
        metrics, losses = evaluate.score(best, data.test)
        result = outcome.Result(
            best.model,
            metrics,
            evaluate.baseline_scores(data, config.dataset),
            progress,
            data.examples,
            losses,
            scores.signature(config, data.test),
        )
        show.write_report(run, best, data, result)
        export.write(run, best)
        record = outcome.finish(run, result)
        show.summary(run, best, data, result)
        return record


if __name__ == "__main__":
    cli.main(lambda: train(config))
