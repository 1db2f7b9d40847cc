"""Train a model that labels words, test it once, export it.

make train-tagging
make train-tagging ARGS="--dataset files --data-path my-slots"
python -m apps.tagging.train --output softmax --name softmax
"""

from apps.common import cli, outcome
from apps.common.terminal import echo

from .config import PRESETS, Config

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    config = cli.command(Config, PRESETS)

import keras

from apps.common import checkpoint, compilation, faults, runs, transfer
from apps.common.tensorboard import TensorBoard
from data_pipelines import tagging as pipeline
from data_pipelines.text.word_vectors import load_vectors

from . import evaluate, export, model, show
from .predict import Decoder, Predictor


def train(config: Config) -> dict:
    """Run one training from raw text to exported model; return its record."""
    config = config.of_task()
    # 1. Run folder.
    with runs.start("tagging", config) as run:
        runs.make_deterministic(config.seed, config.jit_compile)

        # 2. Data.
        origin = transfer.origin(run, config)
        data = pipeline.make_datasets(
            config.dataset,
            config.data_path or None,
            cache_path=config.cache_path,
            task=config.task,
            batch_size=config.batch_size,
            seed=config.seed,
            columns=config.columns,
            column_features=config.column_features,
            scheme=config.scheme,
            intent_separator=config.intent_separator,
            model_scheme=config.model_scheme,
            max_length=config.max_length,
            vocabulary_size=config.vocabulary_size,
            max_characters=config.max_characters,
            encoding=config.encoding,
            widths=run.machines.few(pipeline.WIDTHS),
            equal_characters=run.machines.few_shapes,
            adapt=origin and origin.words(*config.vocabularies),
        )
        runs.keep_lines(run, "vocabulary.txt", data.features.words.words)
        runs.keep_lines(run, "characters.txt", data.features.characters.words)
        runs.keep_lines(run, "labels.txt", data.labels)
        if data.intents:
            runs.keep_lines(run, "intents.txt", data.intents)
        if data.pos:
            runs.keep_lines(run, "pos.txt", data.pos)
        for name, values in data.features.columns.items():
            runs.keep_lines(run, f"feature_{name}.txt", values.words)
        runs.keep_data(run, data)
        echo(*data.report(), sep="\n")

        # 3. Model.
        if config.mixed_precision:
            keras.config.set_dtype_policy(f"mixed_{config.mixed_precision}")
        if origin:
            config = origin.sized(config, "words")
        vectors = None
        if config.vectors:
            vectors, known = load_vectors(config.vectors, data.features.words)
            echo(f"vectors  {known:,} of {len(vectors):,} words")
        steps = faults.steps(
            config.train_share, data.train, config.steps_per_epoch
        )
        epochs = config.epochs or checkpoint.epochs(
            steps, *model.LENGTHS[config.task]
        )
        trained = model.build(
            config,
            data.features,
            data.labels,
            len(data.intents),
            vectors,
            compilation.pays_off(epochs * steps),
            len(data.pos),
        )
        transfer.transfer(origin, trained, model.names(origin, data))

        # 4. Objective.
        model.compile_model(trained, config, epochs * steps)

        # 5. Training.
        progress = checkpoint.resume(run, trained)
        decoder = Decoder(trained, data.labels, data.intents, data.pos)
        validation = evaluate.Validation(decoder, data.valid)
        first = progress.epoch * steps
        batches = faults.dataset(
            config.train_share, data.train, first, run.machines.shard
        )
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
                    steps * config.batch_size,
                    data.train.lengths,
                    config.profile,
                ),
                show.Samples(run, data, validation),
                checkpoint.Checkpoint(
                    run,
                    progress,
                    trained,
                    monitor=f"val_{evaluate.main_score(data)}",
                    patience=checkpoint.patience(config.patience, steps),
                ),
            ],
        )

        # 6. Test, with the best weights.
        best = Predictor.of_run(run)
        scores, predictions = evaluate.score(best.decoder, data.test)
        result = outcome.Result(
            best.decoder.model,
            scores,
            evaluate.of_baselines(data),
            progress,
            data.examples,
            predictions=predictions,
        )
        show.write_report(run, data, result)
        export.write(run, best)
        record = outcome.finish(run, result)
        show.summary(run, data, result)
        return record


if __name__ == "__main__":
    cli.main(lambda: train(config))
