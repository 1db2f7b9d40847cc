"""Trains a network that describes pictures, tests it once, exports it.

make train-captioning
make train-captioning \
    ARGS="--preset photos --dataset files --data-path FOLDER --encoder x.keras"
python -m apps.captioning.train --cell peephole_lstm --name peephole
"""

import sys

import keras

from apps.common import checkpoint, cli, runs
from apps.common.tensorboard import TensorBoard

from . import evaluate, export, model, picture_encoder, scores, show
from .config import PRESETS, Config
from .predict import Captioner, Search


def train(config):
    """Runs one training from pictures to exported model; returns its record."""
    # 1. Run folder.
    with runs.start("captioning", config) as run:
        runs.make_deterministic(config.seed, config.jit_compile)

        # 2. Data.
        eye = picture_encoder.open(config)
        data = picture_encoder.datasets(config, eye)
        runs.keep_lines(run, "vocabulary.txt", data.tokenizer.pieces)
        print(*data.report(), sep="\n")
        picture_encoder.keep(run, eye, data)

        # 3. Model.
        if config.mixed_precision:
            keras.config.set_dtype_policy("mixed_float16")
        trained, captioner = model.build(
            config,
            eye.source,
            data.frequencies,
            eye.captions > 1,
            picture_encoder.word_vectors(config, data.tokenizer),
        )

        # 4. Objective.
        steps = config.steps_per_epoch or data.train.steps_per_pass
        epochs = config.epochs or min(max(3_500 // steps, 3), 20)
        model.compile(trained, config, epochs * steps)

        # 5. Training.
        progress = checkpoint.resume(run, trained)
        validation = evaluate.Validation(
            data, Captioner(captioner, data.tokenizer, config, eye)
        )
        batches = data.train.dataset(True, start_step=progress.epoch * steps)
        trained.fit(
            batches.map(evaluate.teacher_forced),
            initial_epoch=progress.epoch,
            epochs=progress.epoch if progress.stopped else epochs,
            steps_per_epoch=steps,
            shuffle=False,  # the stream has its own order
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[
                validation,
                TensorBoard(
                    run,
                    data.train.pairs * steps / data.train.steps_per_pass,
                    data.train.lengths,
                ),
                show.Samples(run, data, validation),
                checkpoint.Checkpoint(
                    run,
                    progress,
                    captioner,
                    monitor="val_cider",
                    patience=config.patience,
                ),
            ],
        )

        # 6. Test, with the best weights.
        best = Captioner.of_run(run)
        search = Search(config.beam, config.length_penalty, config.consensus)
        found, captions = evaluate.score(best, data, "test", search)
        baselines = evaluate.baselines(best, data)
        show.write_report(run, best, data, found, baselines, captions, progress)
        difference = export.write(run, best)
        record = runs.finish(
            *(run, config, best.model, found, baselines, progress, data),
            scores.signatures(),
        )
        show.summary(run, record, data, captions, difference)
        return record


if __name__ == "__main__":
    cli.main(lambda: train(cli.parse(Config, PRESETS)))
