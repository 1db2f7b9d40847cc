"""Train a labeller of video frames, test it once, export it.

make train-video-labeling
make train-video-labeling ARGS="--dataset files --data-path my-videos"
python -m apps.video_labeling.train --mode live --cell peephole_lstm --name live
"""

from apps.common import cli, outcome
from apps.common.terminal import echo

from .config import PRESETS, Config

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    config = cli.command(Config, PRESETS)

import keras

from apps.common import checkpoint, compilation, faults, runs, transfer
from apps.common.tensorboard import TensorBoard
from data_pipelines import video_labeling as pipeline

from . import evaluate, export, frame_encoder, model, scores, show
from .baselines import baselines
from .inference import VideoInference
from .predict import Predictor


def train(config: Config) -> dict:
    """Run one training from videos to exported model; return its record."""
    # 1. Run folder.
    with runs.start("video_labeling", config) as run:
        runs.make_deterministic(config.seed, config.jit_compile)

        # 2. Data.
        origin = transfer.origin(run, config)
        encoder = frame_encoder.build(config, run, origin)
        data = pipeline.make_datasets(
            config.dataset,
            config.data_path or None,
            cache_path=config.cache_path,
            encoder=encoder,
            frame_size=(config.frame_height, config.frame_width),
            mode=config.framing,
            fps=config.fps,
            chunk=config.chunk,
            batch_size=config.batch_size,
            seed=config.seed,
            mirror=config.mirror,
            download=config.download,
            allow_outside=config.allow_outside,
            encoding=config.encoding,
            frames_first=config.frames_first,
        )
        frame_encoder.check(encoder, config, data)
        runs.keep_lines(run, "labels.txt", data.labels)
        runs.keep_data(run, data, encoder)
        background = scores.background(config.background, data.labels)
        monitor = evaluate.monitored(config, data)
        echo(*data.report(), sep="\n")

        # 3. Model.
        if config.mixed_precision:
            keras.config.set_dtype_policy(f"mixed_{config.mixed_precision}")
        steps = faults.steps(config.train_share, data.train)
        epochs = config.epochs or checkpoint.epochs(steps, 2000, 5, 40)
        trained, labeler = model.build(
            config,
            data.shape,
            len(data.labels),
            compilation.pays_off(epochs * steps),
        )
        labels = origin and origin.names("labels", "labels.txt", data.labels)
        transfer.transfer(origin, labeler, {"labels": labels})

        # 4. Objective.
        model.compile_model(trained, config, epochs * steps, data.frequencies)

        # 5. Training.
        progress = checkpoint.resume(run, trained)
        validation = evaluate.Validation(
            data.valid,
            VideoInference(labeler, config.chunk),
            background,
        )
        first = progress.epoch * steps
        batches = faults.dataset(
            config.train_share, data.train, first, run.machines.shard
        )
        run.machines.fit(
            trained,
            batches.map(model.training_batch),
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
                    labeler,
                    monitor=f"val_{monitor}",
                    patience=checkpoint.patience(config.patience, steps),
                ),
            ],
        )

        # 6. Test, with the best weights.
        best = Predictor.of_run(run)
        metrics, probabilities = evaluate.score(
            best.inference, data.test, background
        )
        keras.utils.set_random_seed(config.seed)
        of_baselines, width = baselines(config, data, background, epochs)
        result = outcome.Result(
            best.model,
            metrics,
            of_baselines,
            progress,
            data.examples,
            probabilities,
            scores.signatures(data.labels, background, width),
        )
        show.write_report(run, data, result, monitor)
        export.write(run, best)
        record = outcome.finish(run, result)
        show.summary(run, best, data, result, monitor)
        return record


if __name__ == "__main__":
    cli.main(lambda: train(config))
