"""Scores a run, beside the trivial baselines.

    make evaluate-captioning ARGS="--run demo-gru"
    make evaluate-captioning ARGS="--beam 10 --split valid"
    python -m apps.captioning.evaluate --dataset files --data-path my-pictures

`bleu_1` to `bleu_4`, `rouge_l` and `cider` are of beam search, and with
`--consensus`, here or in training, of the choice among its hypotheses;
`bleu_4_greedy` and `cider_greedy` of greedy decoding (`scores.py` says what
they are), `perplexity` of the references; on the demo, `right` is the share of
captions that say all that a picture shows and nothing else.  Baselines:
`most_frequent`, the most frequent caption of training; `nearest_picture`, a
caption of the training picture whose mean region is most similar; `human`, each
reference against the others of its picture.
"""

import dataclasses

import keras
import numpy as np

from apps.common import cli, report, runs
from apps.common.optimizer import averaged
from apps.common.token_loss import Perplexity, TokenCrossentropy
from data_pipelines import captioning as pipeline

from . import picture_encoder, scores
from .config import Config
from .predict import Captioner, Decoding, Search

SCORES = (
    *("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"),
    *("bleu_4_greedy", "cider_greedy", "perplexity", "right"),
)
BATCH = 64


@dataclasses.dataclass(frozen=True)
class Options(Decoding):
    """Scores a finished run."""

    run: str = cli.flag("", "name or folder of a run; empty: the newest")
    dataset: str = cli.flag(
        "", "other data than the run's own", choices=["", *pipeline.SOURCES]
    )
    data_path: str = cli.flag("", "folder of the other data")
    split: str = cli.flag("test", "part to score", choices=pipeline.SPLITS)
    meteor: bool = cli.flag(False, "add METEOR; needs Java")
    runs_path: str = cli.flag("runs", "folder of all runs")


def describe(captioner, split, search):
    """Returns the best `Caption` of every picture, in order."""
    return [
        best[0]
        for inputs in split.inputs(BATCH)
        for best in captioner.decode(inputs, search)
    ]


def people(split):
    """Returns the captions of people, as written, of every picture."""
    return [picture.captions for picture in split.pictures]


def teacher_forced(inputs, tokens):
    """Cuts a batch into what the model reads and what it has to predict."""
    return (inputs, tokens[:, :-1]), tokens[:, 1:]


def perplexity(captioner, split):
    """Returns the perplexity of the references."""
    captioner.model.compile(loss=TokenCrossentropy(), metrics=[Perplexity()])
    found = captioner.model.evaluate(
        split.dataset().map(teacher_forced), verbose=0, return_dict=True
    )
    return found["perplexity"]


def score(captioner, data, name, search, meteor=False):
    """Returns the scores of a split and its captions by beam search."""
    split = getattr(data, name)
    greedy = [c.text for c in describe(captioner, split, Search(1, 0.0))]
    best = describe(captioner, split, search)
    texts = [caption.text for caption in best]
    found = scores.scores(texts, people(split), meteor)
    first = scores.scores(greedy, people(split))
    found["bleu_4_greedy"] = first["bleu_4"]
    found["cider_greedy"] = first["cider"]
    found["perplexity"] = perplexity(captioner, split)
    return found | right(texts, split), best


def right(texts, split):
    """Returns the share of right captions, where that can be known."""
    if None in split.facts:
        return {}
    return {"right": scores.right(texts, split.facts, pipeline.facts)}


def baselines(captioner, data, meteor=False):
    """Returns the scores of the baselines on the test split."""
    train, test = data.train, data.test
    frequent = scores.most_frequent(
        text for texts in train.references for text in texts
    )
    near = scores.nearest_captions(
        vectors(captioner, train), people(train), vectors(captioner, test)
    )
    outputs = {
        "most_frequent": [frequent] * len(test),
        "nearest_picture": near,
    }
    found = {
        name: scores.scores(texts, people(test), meteor) | right(texts, test)
        for name, texts in outputs.items()
    }
    human = scores.human(people(test))
    return found | ({"human": human} if human else {})


def vectors(captioner, split):
    """Returns the mean region of every picture, `(N, C)`."""
    return np.concatenate(
        [captioner.vectors(inputs) for inputs in split.inputs(BATCH)]
    )


class Validation(keras.callbacks.Callback):
    """Each epoch: scores of the validation split, by the averaged weights.

    `val_cider` and `val_bleu_4` are of what the model says by itself, greedily;
    the loss and the perplexity are of the references; `val_words` is how many
    different words it uses.

    Args:
        data: The `Datasets`.
        captioner: The `Captioner` that shares the weights trained.

    Attributes:
        captions: What the last epoch made of the split, in order.
    """

    def __init__(self, data, captioner):
        super().__init__()
        self.split = data.valid
        self.batches = data.valid.dataset().map(teacher_forced)
        self.captioner = captioner

    def on_epoch_end(self, epoch, logs=None):
        with averaged(self.model):
            found = self.model.evaluate(
                self.batches, verbose=0, return_dict=True
            )
            self.captions = describe(self.captioner, self.split, Search(1, 0.0))
        texts = [caption.text for caption in self.captions]
        found |= scores.scores(texts, people(self.split))
        found["words"] = len({word for text in texts for word in text.split()})
        found |= right(texts, self.split)
        for name in ("bleu_1", "bleu_2", "bleu_3"):
            del found[name]
        logs.update({f"val_{name}": value for name, value in found.items()})


def main(options):
    """Prints the scores of a run on one split of its data, or of others."""
    run = runs.open_run("captioning", options.run, options.runs_path)
    dataset, data_path = runs.data_to_score(
        options, run.record["config"], pipeline.SOURCES
    )
    config = dataclasses.replace(
        Config(**run.record["config"]),
        dataset=dataset,
        data_path=data_path or "",
    )
    captioner = Captioner.of_run(run)
    data = picture_encoder.datasets(config, captioner.eye, captioner.tokenizer)
    if not len(getattr(data, options.split)):
        raise cli.UserError(f"these data have no picture in {options.split}")
    search = options.search(config)
    found, _ = score(captioner, data, options.split, search, options.meteor)
    rows = {f"{run.name} ({options.split})": found}
    if options.split == "test" and len(data.train):
        rows |= baselines(captioner, data, options.meteor)
    columns = [name for name in (*SCORES, "meteor") if name in found]
    print(report.table(rows, columns))
    for name, signature in scores.signatures(options.meteor).items():
        print(f"{name}: {signature}")


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
