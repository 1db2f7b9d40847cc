"""Scores a run, beside the trivial baselines.

    make evaluate-translation ARGS="--run demo-gru"
    make evaluate-translation ARGS="--beam 10 --split valid"
    python -m apps.translation.evaluate --dataset files --data-path my-pairs

`bleu`, `chrf` and `exact_match` are of beam search, `bleu_greedy` of greedy
decoding (`scores.py` says what they are), `perplexity` of the references.
Baselines: `copy_source`, the source itself, and `most_frequent`, the most
frequent sentence of training.
"""

import dataclasses

import keras

from apps.common import cli, report, runs
from apps.common.optimizer import averaged
from apps.common.token_loss import Perplexity, TokenCrossentropy
from data_pipelines import translation as pipeline

from . import scores
from .predict import Search, Translator

SCORES = ("bleu", "chrf", "bleu_greedy", "perplexity", "exact_match")
BATCH = 128


@dataclasses.dataclass(frozen=True)
class Options:
    """Scores a finished run."""

    run: str = cli.flag("", "name or folder of a run; empty: the newest")
    dataset: str = cli.flag(
        "", "other data than the run's own", choices=["", *pipeline.SOURCES]
    )
    data_path: str = cli.flag("", "folder of the other data")
    split: str = cli.flag("test", "part to score", choices=pipeline.SPLITS)
    beam: int = cli.flag(0, "hypotheses kept; 0: as in training", at_least=0)
    length_penalty: float = cli.flag(
        -1.0, "larger favours longer ones; -1: as in training"
    )
    runs_path: str = cli.flag("runs", "folder of all runs")


def translate(translator, split, search):
    """Returns the best `Translation` of every source, in order."""
    found = []
    for ids in split.sources(BATCH):
        found += [best[0] for best in translator.decode(ids, search)]
    return split.in_order(found)


def teacher_forced(source, target):
    """Cuts a batch into what the model reads and what it has to predict."""
    return (source, target[:, :-1]), target[:, 1:]


def perplexity(translator, split):
    """Returns the perplexity of the references."""
    translator.model.compile(loss=TokenCrossentropy(), metrics=[Perplexity()])
    found = translator.model.evaluate(
        split.dataset().map(teacher_forced), verbose=0, return_dict=True
    )
    return found["perplexity"]


def score(translator, data, name, search):
    """Returns the scores of a split and its translations by beam search."""
    split, language = getattr(data, name), data.languages[1]
    greedy = translate(translator, split, Search(1, 0.0))
    best = translate(translator, split, search)
    references = split.target_texts
    found = scores.scores([t.text for t in best], references, language)
    found["bleu_greedy"] = scores.bleu(
        [t.text for t in greedy], references, language
    )
    found["perplexity"] = perplexity(translator, split)
    return found, best


def baselines(data):
    """Returns the scores of both baselines on the test split."""
    return scores.baselines(
        list(data.test.source_texts),
        list(data.test.target_texts),
        data.train.target_texts,
        data.languages[1],
    )


class Validation(keras.callbacks.Callback):
    """Each epoch: scores of the validation split, by the averaged weights.

    `val_bleu` is of what the model says by itself, greedily; the loss and the
    perplexity are of the references.

    Args:
        data: The `Datasets`.
        translator: The `Translator` that shares the weights trained.

    Attributes:
        translations: What the last epoch made of the split, in order.
    """

    def __init__(self, data, translator):
        super().__init__()
        self.split = data.valid
        self.language = data.languages[1]
        self.references = list(data.valid.target_texts)
        self.batches = data.valid.dataset().map(teacher_forced)
        self.translator = translator

    def on_epoch_end(self, epoch, logs=None):
        with averaged(self.model):
            found = self.model.evaluate(
                self.batches, verbose=0, return_dict=True
            )
            self.translations = translate(
                self.translator, self.split, Search(1, 0.0)
            )
        outputs = [translation.text for translation in self.translations]
        logs.update({f"val_{name}": value for name, value in found.items()})
        logs["val_bleu"] = scores.bleu(outputs, self.references, self.language)


def main(options):
    """Prints the scores of a run on one split of its data, or of others."""
    run = runs.open_run("translation", options.run, options.runs_path)
    config = run.record["config"]
    translator = Translator.of_run(run)
    data = pipeline.make_datasets(
        *runs.data_to_score(options, config, pipeline.SOURCES),
        cache_path=config["cache_path"],
        languages=config["languages"],
        tokens=config["tokens"],
        vocabulary_size=config["vocabulary_size"],
        batch_tokens=config["batch_size"],
        max_length=config["max_length"],
        seed=config["seed"],
        tokenizers=(translator.source, translator.target),
    )
    if not len(getattr(data, options.split)):
        raise cli.UserError(f"these data have no pair in {options.split}")
    penalty = options.length_penalty
    search = Search(
        options.beam or config["beam"],
        config["length_penalty"] if penalty == -1 else penalty,
    )
    found, _ = score(translator, data, options.split, search)
    rows = {f"{run.name} ({options.split})": found}
    if options.split == "test" and len(data.train):
        rows |= baselines(data)
    print(report.table(rows, SCORES))
    for name, signature in scores.signatures(data.languages[1]).items():
        print(f"{name}: {signature}")


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
