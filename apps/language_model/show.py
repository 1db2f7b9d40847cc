"""What a training of this app shows: samples, report, closing summary."""

import typing

import keras
import numpy as np

from apps.common import outcome, report, runs, samples, tables
from apps.common.optimizer import averaged
from apps.common.search import Search
from apps.common.tensorboard import write_projector
from apps.common.terminal import echo
from data_pipelines import language_model as pipeline
from data_pipelines.text.bpe import SPECIALS

from .baselines import BASELINES
from .predict import EXPLANATION, TEMPLATE, Predictor, shades
from .scores import METRICS

SAMPLES = 3
LENGTH = 60
SAMPLING = Search(sample=True, min_length=0, temperature=0.8)
# Tokens of valid whose surprise TensorBoard shows over the epochs.
SHOWN = 20
# Tokens of test that the report shades.
SHADED = 400
# Of the least expected tokens so many are asked what was expected, with so many
# tokens before, and so many are listed.
CANDIDATES, CONTEXT, LISTED = 100, 32, 10


def generated(predictor: Predictor) -> list[str]:
    """Return texts that the model generates, sampled with one seed."""
    texts = predictor("", SAMPLING, LENGTH, SAMPLES)
    return [text.rstrip("\n") for text, _ in texts]


class Samples(samples.Samples):
    """Each epoch: generated texts, and the surprise of a text of valid."""

    columns = ("text",)
    count = SAMPLES

    def __init__(self, run, data, validation):
        super().__init__(run, data, validation)
        self.surprise = []
        self.ids = self.split.ids[0][1 : SHOWN + 1].tolist()

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
        figure = report.figure(4.8, 1.2 + 0.12 * len(self.surprise))
        axes = figure.subplots()
        report.heat_map(
            axes, np.minimum(np.array(self.surprise) / 10, 1), aspect="auto"
        )
        words = [predictor.tokenizer.pieces[token] for token in self.ids]
        axes.set_xticks(range(len(words)), report.literal(words), rotation=90)
        axes.set_yticks([])
        return {"surprise": report.png(figure)}


def memory(predictor: Predictor, split: pipeline.Split):
    """Draw the mean loss by place in the chunk, states carried and cut."""
    config = predictor.config
    figure = report.figure(4.2, 2.6)
    axes = figure.subplots()
    for label, cut in (("carried", False), ("cut", True)):
        losses = predictor.losses(split, config.batch_size, cut)
        whole = losses[: len(losses) // config.chunk * config.chunk]
        means = whole.reshape(-1, config.chunk).mean(axis=0)
        places = np.arange(1, config.chunk + 1)
        axes.plot(places, means, "--" if cut else "-", label=label)
    axes.set_xlabel("tokens since the chunk began")
    axes.set_ylabel("loss in nats")
    axes.legend(frameon=False, title="state")
    return figure


class Surprise(typing.NamedTuple):
    """A token that came where the model was sure of another one.

    Attributes:
        before: The text before it.
        expected: The most probable token, and its probability.
        came: The token, and its log-probability.
    """

    before: str
    expected: tuple[str, float]
    came: tuple[str, float]


def surprises(
    predictor: Predictor, split: pipeline.Split, losses: np.ndarray
) -> list[Surprise]:
    """Return tokens of a split where the model was sure of another one.

    Args:
        predictor: The predictor.
        split: The split.
        losses: -log p of all of its tokens.
    """
    network, decode = predictor.network, predictor.tokenizer.decode
    ends = np.cumsum(split.lengths)
    contexts: dict[int, list] = {}
    for place in np.argsort(-losses)[:CANDIDATES]:
        number = np.searchsorted(ends, place, side="right")
        row = np.asarray(split.ids[number])
        end = place - ends[number] + len(row)
        context = row[max(end - CONTEXT, 0) : end]
        contexts.setdefault(len(context), []).append((context, row[end]))
    surprises = []
    for pairs in contexts.values():
        tokens = np.stack([context for context, _ in pairs])
        states = network.after(
            tokens[:, :-1], network.initial_state(len(tokens))
        )
        logits, _ = network.step(tokens[:, -1], states)
        logs = np.asarray(keras.ops.log_softmax(logits))
        for (context, token), own in zip(pairs, logs, strict=True):
            best = int(own.argmax())
            if best != token:
                surprises.append(
                    Surprise(
                        decode(context[1:].tolist(), begin=True),
                        (decode([best], begin=False), float(own[best])),
                        (decode([int(token)], begin=False), float(own[token])),
                    )
                )
    surprises.sort(key=lambda surprise: -surprise.expected[1])
    return surprises[:LISTED]


def write_report(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    result: outcome.Result,
) -> None:
    """Write `report.html`, and the tokens' projector."""
    vectors = predictor.network.embedding.get_weights()[0]
    pieces = predictor.tokenizer.pieces
    write_projector(run, vectors, pieces, special=len(SPECIALS))
    test, losses = data.test, result.predictions
    charts = []
    if not test.sentences and len(test) >= predictor.config.chunk:
        text = "loss by the place in the chunk, with and without states"
        drawn = report.svg(memory(predictor, test), text)
        note = (
            "The mean loss by how many tokens came before in the chunk: with"
            " the state of the chunk before, and without it."
        )
        charts.append(("Length of memory", [drawn], note))
    ids = test.targets[:SHADED]
    report.of_training(
        run,
        TEMPLATE,
        result,
        test_set=f"{len(test):,} tokens",
        metrics=METRICS,
        baselines=BASELINES,
        main="perplexity",
        curves=["loss", "perplexity"],
        charts=charts,
        surprises=surprises(predictor, test, losses),
        explanation=f"The beginning of the test set. {EXPLANATION}",
        examples=[shades(predictor, ids.tolist(), losses[: len(ids)])],
    )


def summary(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    result: outcome.Result,
) -> None:
    """Print scores beside baselines, three samples, and what is next."""
    echo(f"\nscores on the test set ({len(data.test):,} tokens)")
    echo(tables.text({run.name: result.scores, **result.baselines}, METRICS))
    remarks = report.remarks(run, result, "perplexity")
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
