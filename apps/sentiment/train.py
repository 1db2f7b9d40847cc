"""Train a classifier of texts, test it once, export it.

make train-sentiment
make train-sentiment ARGS="--dataset files --data-path my-reviews"
python -m apps.sentiment.train --cell peephole_lstm --name peephole
"""

from apps.common import cli, outcome
from apps.common.terminal import echo

from .config import PRESETS, Config

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    config = cli.command(Config, PRESETS)

import keras

from apps.common import checkpoint, compilation, faults, runs, transfer
from apps.common.tensorboard import TensorBoard
from data_pipelines import sentiment as pipeline
from data_pipelines.text.word_vectors import load_vectors

from . import evaluate, export, model, show
from .predict import Predictor
from .ratios import Ratios


def train(config: Config) -> dict:
    """Run one training from raw text to exported model; return its record."""
    # 1. Run folder.
    with runs.start("sentiment", config) as run:
        runs.make_deterministic(config.seed, config.jit_compile)

        # 2. Data.
        origin = transfer.origin(run, config)
        data = pipeline.make_datasets(
            config.dataset,
            config.data_path or None,
            cache_path=config.cache_path,
            batch_size=config.batch_size,
            max_length=config.max_length,
            tokens=config.tokens,
            vocabulary_size=config.vocabulary_size,
            seed=config.seed,
            download=config.download,
            encoding=config.encoding,
            text_column=config.text_column,
            label_column=config.label_column,
            widths=run.machines.few(pipeline.WIDTHS),
            adapt=origin and origin.words("vocabulary.txt"),
        )
        runs.keep_lines(run, "vocabulary.txt", data.vocabulary.words)
        runs.keep_lines(run, "labels.txt", data.labels)
        runs.keep_data(run, data)
        echo(*data.report(), sep="\n")

        # 3. Model.
        if config.mixed_precision:
            keras.config.set_dtype_policy(f"mixed_{config.mixed_precision}")
        if origin:
            config = origin.sized(config, "words")
        vectors = None
        if config.vectors:
            vectors, known = load_vectors(config.vectors, data.vocabulary)
            echo(f"vectors  {known:,} of {len(vectors):,} words")
        classes = len(data.labels)
        ratios = Ratios(
            data.train,
            classes,
            config.ngrams,
            table=model.ratios_of(origin, data.labels),
        )
        steps = faults.steps(
            config.train_share, data.train, config.steps_per_epoch
        )
        epochs = config.epochs or checkpoint.epochs(steps, 1200, 3, 30)
        trained, classifier = model.build(
            config,
            len(data.vocabulary),
            classes,
            ratios,
            vectors,
            compilation.pays_off(epochs * steps),
        )
        transfer.transfer(origin, classifier, model.names(origin, config, data))

        # 4. Objective.
        model.compile_model(trained, config, epochs * steps)

        # 5. Training.
        progress = checkpoint.resume(run, trained)
        validation = evaluate.Validation(classifier, data.valid)
        first = progress.epoch * steps
        batches = faults.dataset(
            config.train_share, data.train, first, run.machines.shard
        )
        run.machines.fit(
            trained,
            ratios.for_training(batches),
            progress,
            epochs,
            steps,
            callbacks=[
                validation,
                TensorBoard(
                    run,
                    steps * config.batch_size,
                    data.train.lengths,
                    config.profile,
                ),
                show.Samples(run, data, validation),
                checkpoint.Checkpoint(
                    run,
                    progress,
                    classifier,
                    monitor="val_accuracy",
                    patience=checkpoint.patience(config.patience, steps),
                ),
            ],
        )

        # 6. Test, with the best weights.
        best = Predictor.of_run(run)
        scores, probabilities = evaluate.score(
            evaluate.compiled(best.classifier), data.test
        )
        result = outcome.Result(
            best.classifier,
            scores,
            evaluate.baselines(data),
            progress,
            data.examples,
            predictions=probabilities,
        )
        show.write_report(run, best, data, result)
        export.write(run, best)
        record = outcome.finish(run, result)
        show.summary(run, best, data, result)
        return record


if __name__ == "__main__":
    cli.main(lambda: train(config))
