"""Train a translator, test it once, export it.

make train-translation
make train-translation \
    ARGS="--dataset files --data-path FOLDER --languages en-de"
python -m apps.translation.train --cell peephole_lstm --name peephole
"""

from apps.common import cli, outcome
from apps.common.search import BeamSearch
from apps.common.terminal import echo

from .config import PRESETS, Config

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    config = cli.command(Config, PRESETS)

import keras

from apps.common import checkpoint, digests, faults, runs, transfer
from apps.common.tensorboard import TensorBoard
from apps.common.token_loss import teacher_forced
from data_pipelines import translation as pipeline

from . import evaluate, export, model, scores, show
from .predict import Predictor


def train(config: Config) -> dict:
    """Run one training from raw text to exported model; return its record."""
    # 1. Run folder.
    with runs.start("translation", config) as run:
        runs.make_deterministic(config.seed, config.jit_compile)

        # 2. Data.
        origin = transfer.origin(run, config)
        data = pipeline.make_datasets(
            config.dataset,
            config.data_path or None,
            cache_path=config.cache_path,
            languages=config.languages,
            same_language=config.same_language,
            tokens=config.tokens,
            target_tokens=config.target_tokens,
            vocabulary_size=config.vocabulary_size,
            batch_tokens=config.batch_tokens,
            max_length=config.max_length,
            seed=config.seed,
            subword_dropout=config.subword_dropout,
            download=config.download,
            encoding=config.encoding,
            buckets=run.machines.few(pipeline.BUCKETS),
            multiple=run.machines.rows,
            adapt=origin and origin.words("source.txt", "target.txt"),
        )
        tokenizers = data.source_tokenizer, data.target_tokenizer
        runs.keep_lines(run, "source.txt", tokenizers[0].pieces)
        runs.keep_lines(run, "target.txt", tokenizers[1].pieces)
        runs.keep_data(run, data)
        names = "".join(f"{language}\n" for language in data.languages)
        with digests.replacing(run.file("languages.txt")) as path:
            path.write_text(names, "utf-8")
        echo(*data.report(), sep="\n")

        # 3. Model.
        if config.mixed_precision:
            keras.config.set_dtype_policy(f"mixed_{config.mixed_precision}")
        trained, translator = model.build(config, *map(len, tokenizers))
        transfer.transfer(origin, translator, model.names(origin, *tokenizers))

        # 4. Objective.
        steps = faults.steps(
            config.train_share, data.train, config.steps_per_epoch
        )
        epochs = config.epochs or checkpoint.epochs(steps, 40_000, 3, 10)
        model.compile_model(trained, config, epochs * steps)

        # 5. Training.
        progress = checkpoint.resume(run, trained)
        validation = evaluate.Validation(
            data, Predictor(translator, tokenizers, config)
        )
        first = progress.epoch * steps
        batches = faults.dataset(
            config.train_share, data.train, first, run.machines.shard
        )
        run.machines.fit(
            trained,
            batches.map(teacher_forced),
            progress,
            epochs,
            steps,
            callbacks=[
                validation,
                TensorBoard(
                    run,
                    len(data.train) * steps / data.train.steps_per_pass,
                    data.train.lengths,
                    config.profile,
                ),
                show.Samples(run, data, validation),
                checkpoint.Checkpoint(
                    run,
                    progress,
                    translator,
                    monitor="val_bleu",
                    patience=checkpoint.patience(config.patience, steps),
                ),
            ],
        )

        # 6. Test, with the best weights.
        best = Predictor.of_run(run)
        language = data.languages[1]
        metrics, translations = evaluate.score(
            best,
            data.test,
            language,
            BeamSearch().search(config),
        )
        result = outcome.Result(
            best.model,
            metrics,
            evaluate.baselines(data),
            progress,
            data.examples,
            translations,
            scores.signatures(data.test.references, language),
        )
        show.write_report(run, best, data, result)
        export.write(run, best)
        record = outcome.finish(run, result)
        show.summary(run, data, result)
        return record


if __name__ == "__main__":
    cli.main(lambda: train(config))
