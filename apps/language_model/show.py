"""What a training of this app shows: samples, report, closing summary."""

import numpy as np

from apps.common import report, runs, samples, tables
from apps.common.optimizer import averaged
from apps.common.search import Search
from apps.common.tensorboard import write_projector
from apps.common.terminal import echo
from data_pipelines import language_model as pipeline
from data_pipelines.text.bpe import SPECIALS

from .predict import EXPLANATION, TEMPLATE, Predictor, shades
from .scores import METRICS

SAMPLES = 3
LENGTH = 60
SAMPLING = Search(sample=True, min_length=0, temperature=0.8)
# Tokens of valid whose surprise TensorBoard shows over the epochs.
SHOWN = 40
# Tokens of test that the report shades.
SHADED = 400


def generated(predictor: Predictor) -> list[str]:
    """Return texts that the model makes up, sampled with one seed."""
    texts = predictor("", SAMPLING, LENGTH, SAMPLES)
    return [text.rstrip("\n") for text, _ in texts]


class Samples(samples.Samples):
    """Each epoch: texts that are made up, and the surprise of one of valid."""

    columns = ("text",)
    count = SAMPLES

    def __init__(self, run, data, validation):
        super().__init__(run, data, validation)
        self.surprise = []
        ids = self.split.ids.values[int(self.split.ids.starts[0]) :]
        self.ids = ids[1 : SHOWN + 1].tolist()

    def lines(self, epoch):
        with averaged(self.model):
            return [
                (text.replace("\n", " / "),)
                for text in generated(self.validation.predictor)
            ]

    def pictures(self, epoch):
        predictor = self.validation.predictor
        with averaged(self.model):
            nll = np.asarray(
                predictor.score_ids(np.array([self.ids], np.int32))
            )[0]
        self.surprise.append(nll / np.log(2))
        figure = report.figure(9, 1.6 + 0.12 * len(self.surprise))
        axes = figure.subplots()
        report.heat_map(
            axes, np.minimum(np.array(self.surprise) / 10, 1), aspect="auto"
        )
        words = [predictor.tokenizer.pieces[token] for token in self.ids]
        axes.set_xticks(range(len(words)), report.literal(words), rotation=90)
        axes.set_yticks([])
        return {"surprise": report.png(figure)}


def memory_picture(predictor: Predictor, split: pipeline.Split) -> bytes:
    """Draw the mean loss by place in the chunk, states carried and cut."""
    config = predictor.config
    figure = report.figure(7, 2.6)
    axes = figure.subplots()
    for label, cut in (("carried", False), ("cut", True)):
        losses = predictor.losses(split, config.batch_size, cut)
        whole = losses[: len(losses) // config.chunk * config.chunk]
        means = whole.reshape(-1, config.chunk).mean(axis=0)
        axes.plot(np.arange(1, config.chunk + 1), means, label=label)
    axes.set_xlabel("tokens since the chunk began")
    axes.set_ylabel("loss in nats")
    axes.legend(frameon=False, title="state")
    return report.png(figure)


def write_report(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    result: runs.Result,
) -> None:
    """Write `report.html` with its pictures, and the tokens' projector."""
    vectors = predictor.network.embedding.get_weights()[0]
    pieces = predictor.tokenizer.pieces
    write_projector(run, vectors, pieces, special=len(SPECIALS))
    curve = report.curve(result.progress.rows, ["loss", "perplexity"])
    run.file("curve.png").write_bytes(curve)
    pictures = [("Training", curve)]
    if not data.test.sentences and len(data.test) >= predictor.config.chunk:
        picture = memory_picture(predictor, data.test)
        run.file("memory.png").write_bytes(picture)
        pictures.append(("Length of memory", picture))
    ids = data.test.ids.values[int(data.test.ids.starts[0]) :][1 : SHADED + 1]
    report.render(
        run.file("report.html"),
        TEMPLATE,
        title=run.name,
        test_set=f"{len(data.test):,} tokens",
        scores={run.name: result.scores, **result.baselines},
        metrics=METRICS,
        pictures=pictures,
        explanation=f"The beginning of the test set. {EXPLANATION}",
        examples=[
            {
                "heading": "",
                "tokens": shades(
                    predictor, ids.tolist(), result.predictions[: len(ids)]
                ),
            }
        ],
    )


def summary(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    result: runs.Result,
) -> None:
    """Print scores beside baselines, three samples, and what is next."""
    echo(f"\nscores on the test set ({len(data.test):,} tokens)")
    echo(tables.text({run.name: result.scores, **result.baselines}, METRICS))
    remarks = report.remarks(run, result, "perplexity", lower=True)
    echo("", *remarks, sep="\n")
    for name, signature in result.signatures.items():
        echo(f"{name}: {signature}")
    for text in generated(predictor):
        echo(f"\nsample  {text}")
    echo(f"""
next
  make predict-language-model ARGS="--samples 3 'the'"
  make evaluate-language-model ARGS="--interpolate"
  make train-language-model ARGS="--cell peephole_lstm"
  make train-language-model ARGS="--dataset files --data-path FOLDER"
  make demo
  make tensorboard
  open {run.file("report.html")}""")
