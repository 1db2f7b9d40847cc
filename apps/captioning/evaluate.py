"""Score a run, beside the trivial baselines.

    make evaluate-captioning ARGS="--run demo-gru"
    make evaluate-captioning ARGS="--beam 10 --split valid"
    python -m apps.captioning.evaluate --dataset files --data-path my-pictures

`bleu_1` to `bleu_4`, `rouge_l` and `cider` are of beam search, and with
`--mbr-samples`, here or in training, of the beam reranked;
`bleu_4_greedy` and `cider_greedy` of greedy decoding (`scores.py` says what
they are), `perplexity` of the references; on the demo, `right` is the share of
captions that say all that a picture shows and nothing else. Baselines:
`most_frequent`, the most frequent caption of training; `nearest_picture`, a
caption of the training picture whose mean region is most similar; `human`, each
reference against the others of its picture.
"""

from apps.common import cli, scoring
from apps.common.terminal import echo

from .config import EvaluateOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)


import keras
import numpy as np

from apps.common import ensemble, runs, tables
from apps.common.generation import Hypothesis
from apps.common.optimizer import averaged
from apps.common.search import GREEDY, Search
from apps.common.token_loss import perplexity, teacher_forced
from data_pipelines import captioning as pipeline

from . import scores
from .predict import Predictor

BATCH = 64


def datasets(
    captioner: Predictor,
    dataset: str,
    data_path: str | None,
    encoding: str = "",
) -> pipeline.Datasets:
    """Return a data set as a finished run reads it."""
    config = captioner.config
    return pipeline.make_datasets(
        dataset,
        data_path,
        cache_path=config.cache_path,
        encoder=captioner.encoder.frozen,
        picture_size=captioner.size,
        normalize_captions=config.normalize_captions,
        tokens=config.tokens,
        vocabulary_size=config.vocabulary_size,
        minimum_count=config.minimum_count,
        max_length=config.max_length,
        batch_size=config.batch_size,
        seed=config.seed,
        download=config.download,
        tokenizer=captioner.tokenizer,
        allow_outside=config.allow_outside,
        encoding=encoding,
    )


def describe(
    captioner: Predictor, split: pipeline.Split, search: Search
) -> list[Hypothesis]:
    """Return the best caption of every picture, in order."""
    return [
        hypotheses[0]
        for inputs in split.each_input(BATCH)
        for hypotheses in captioner.decode(inputs, search)
    ]


def references(split: pipeline.Split) -> list[tuple[str, ...]]:
    """Return the captions of people, as written, of every picture."""
    return [picture.captions for picture in split.pictures]


def score(
    captioner: Predictor,
    split: pipeline.Split,
    search: Search,
    meteor: bool = False,
) -> tuple[dict[str, float], list[Hypothesis]]:
    """Return the scores of a split and its captions by beam search."""
    greedy = [c.text for c in describe(captioner, split, GREEDY)]
    best = describe(captioner, split, search)
    texts = [caption.text for caption in best]
    metrics = scores.scores(texts, references(split), meteor)
    of_greedy = scores.scores(greedy, references(split))
    metrics["bleu_4_greedy"] = of_greedy["bleu_4"]
    metrics["cider_greedy"] = of_greedy["cider"]
    metrics["perplexity"] = perplexity(captioner.model, split.dataset())
    return metrics | share_right(texts, split), best


def share_right(texts: list[str], split: pipeline.Split) -> dict[str, float]:
    """Return the share of right captions, where that can be known."""
    if None in split.facts:
        return {}
    is_right = [
        pipeline.facts(text) == facts
        for text, facts in zip(texts, split.facts, strict=True)
    ]
    return {"right": sum(is_right) / len(is_right)}


def baselines(
    captioner: Predictor, data: pipeline.Datasets, meteor: bool = False
) -> dict[str, dict[str, float]]:
    """Return the scores of the baselines on the test split."""
    train, test = data.train, data.test
    frequent = scores.most_frequent(
        text for texts in train.references for text in texts
    )
    nearest = scores.nearest_captions(
        vectors(captioner, train), references(train), vectors(captioner, test)
    )
    captions = {
        "most_frequent": [frequent] * len(test),
        "nearest_picture": nearest,
    }
    rows = {
        name: scores.scores(texts, references(test), meteor)
        | share_right(texts, test)
        for name, texts in captions.items()
    }
    human = scores.human(references(test))
    return rows | ({"human": human} if human else {})


def vectors(captioner: Predictor, split: pipeline.Split) -> np.ndarray:
    """Return the mean region of every picture, `(N, C)`."""
    return np.concatenate(
        [captioner.vectors(inputs) for inputs in split.each_input(BATCH)]
    )


class Validation(keras.callbacks.Callback):
    """Each epoch: scores of the validation split, by the averaged weights.

    `val_cider` and `val_bleu_4` are of what the model says by itself, greedily;
    the loss and the perplexity are of the references; `val_words` is how many
    different words it uses.

    Attributes:
        captions: Of the split, in order, after the last epoch.
    """

    def __init__(self, data: pipeline.Datasets, captioner: Predictor):
        super().__init__()
        self.split = data.valid
        self.batches = data.valid.dataset().map(teacher_forced)
        self.captioner = captioner

    def on_epoch_end(self, epoch, logs=None):
        with averaged(self.model):
            metrics = self.model.evaluate(
                self.batches, verbose=0, return_dict=True
            )
            self.captions = describe(self.captioner, self.split, GREEDY)
        texts = [caption.text for caption in self.captions]
        metrics |= scores.scores(texts, references(self.split))
        metrics["words"] = len({w for text in texts for w in text.split()})
        metrics |= share_right(texts, self.split)
        for name in ("bleu_1", "bleu_2", "bleu_3"):
            del metrics[name]
        logs.update({f"val_{name}": value for name, value in metrics.items()})


def main(options: Options) -> None:
    """Print the scores of a run on one split of its data, or of others."""
    opened = runs.open_runs("captioning", options.run, options.runs_path)
    captioner = Predictor.of_runs(opened)
    dataset, data_path = scoring.data_to_score(
        options, vars(captioner.config), pipeline.SOURCES
    )
    reading = options if options.dataset else captioner.config
    data = datasets(captioner, dataset, data_path, reading.encoding)
    split = scoring.split_to_score(opened[0], data, options)
    search = options.search(captioner.config)
    rows, _ = ensemble.score(
        opened,
        Predictor.of_run,
        captioner,
        lambda one: score(one, split, search, options.meteor),
        options.split,
        (dataset, data_path),
    )
    if options.split == "test" and len(data.train):
        rows |= baselines(captioner, data, options.meteor)
    echo(tables.text(rows, [*scores.METRICS, "meteor"]))
    for name, signature in scores.signatures(options.meteor).items():
        echo(f"{name}: {signature}")


if __name__ == "__main__":
    cli.main(lambda: main(options))
