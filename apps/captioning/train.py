"""Train a network that describes pictures, test it once, export it.

make train-captioning
make train-captioning \
    ARGS="--preset photos --dataset files --data-path FOLDER --encoder x.keras"
python -m apps.captioning.train --cell peephole_lstm --name peephole
"""

from apps.common import cli, outcome
from apps.common.search import BeamSearch
from apps.common.terminal import echo

from .config import PRESETS, Config

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    config = cli.command(Config, PRESETS)

import keras

from apps.common import checkpoint, compilation, faults, runs, transfer
from apps.common.tensorboard import TensorBoard
from apps.common.token_loss import teacher_forced
from data_pipelines import captioning as pipeline
from data_pipelines.text.word_vectors import load_token_vectors

from . import evaluate, export, model, picture_encoder, scores, show
from .predict import Predictor


def train(config: Config) -> dict:
    """Run one training from pictures to exported model; return its record."""
    # 1. Run folder.
    with runs.start("captioning", config) as run:
        runs.make_deterministic(config.seed, config.jit_compile)

        # 2. Data.
        origin = transfer.origin(run, config)
        encoder = picture_encoder.build(config, origin)
        data = pipeline.make_datasets(
            config.dataset,
            config.data_path or None,
            cache_path=config.cache_path,
            encoder=encoder.frozen,
            picture_size=encoder.network.size,
            normalize_captions=config.normalize_captions,
            tokens=config.tokens,
            vocabulary_size=config.vocabulary_size,
            minimum_count=config.minimum_count,
            max_length=config.max_length,
            batch_size=config.batch_size,
            captions_per_picture=encoder.captions_per_picture,
            seed=config.seed,
            download=config.download,
            allow_outside=config.allow_outside,
            encoding=config.encoding,
            adapt=origin and origin.words("vocabulary.txt"),
        )
        encoder.check(data.train)
        runs.keep_lines(run, "vocabulary.txt", data.tokenizer.pieces)
        runs.keep_data(run, data, encoder.frozen)
        encoder.save_to_run(run)
        if data.bad:
            data.bad.write(run.file("bad_pictures.txt"))
        echo(*data.report(), sep="\n")

        # 3. Model.
        if config.mixed_precision:
            keras.config.set_dtype_policy(f"mixed_{config.mixed_precision}")
        if origin:
            config = origin.sized(config, "tokens")
        vectors = None
        if config.vectors:
            vectors, count = load_token_vectors(
                config.vectors, data.tokenizer, config.seed
            )
            echo(f"vectors  {count:,} of {len(vectors):,} tokens in the file")
        steps = faults.steps(
            config.train_share, data.train, config.steps_per_epoch
        )
        epochs = config.epochs or checkpoint.epochs(steps, 2_500, 3, 20)
        trained, captioner = model.build(
            config,
            encoder.source,
            data.frequencies,
            encoder.captions_per_picture > 1,
            vectors,
            compilation.pays_off(epochs * steps),
        )
        transfer.transfer(
            origin, captioner, model.names(origin, data.tokenizer)
        )

        # 4. Objective.
        model.compile_model(trained, config, epochs * steps)

        # 5. Training.
        progress = checkpoint.resume(run, trained)
        validation = evaluate.Validation(
            data, Predictor(captioner, data.tokenizer, config, encoder)
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
                    data.train.pairs * steps / data.train.steps_per_pass,
                    data.train.lengths,
                    config.profile,
                ),
                show.Samples(run, data, validation),
                checkpoint.Checkpoint(
                    run,
                    progress,
                    captioner,
                    monitor="val_cider",
                    patience=checkpoint.patience(config.patience, steps),
                ),
            ],
        )

        # 6. Test, with the best weights.
        best = Predictor.of_run(run)
        search = BeamSearch().search(config)
        metrics, captions = evaluate.score(best, data.test, search)
        result = outcome.Result(
            best.model,
            metrics,
            evaluate.baselines(best, data),
            progress,
            data.examples,
            captions,
            scores.signatures(),
        )
        show.write_report(run, best, data, result)
        export.write(run, best)
        record = outcome.finish(run, result)
        show.summary(run, data, result)
        return record


if __name__ == "__main__":
    cli.main(lambda: train(config))
