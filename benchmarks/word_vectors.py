"""Word vectors by this project and by gensim, of the same text.

    make bench-word-vectors
    make bench-word-vectors ARGS="--dataset files --data-path FOLDER --epochs 5"

Takes every flag of a training. Both get the same words, texts, vector size,
window, negatives, subsampling, learning rate and epochs; gensim gets two
workers, or as many as there are cores. Printed are the scores of both, the
words of the text that they read in a second, and in a second of a core, which
other load on the machine changes less. gensim is no requirement of the project.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator

from apps.common import cli, tables
from apps.common.terminal import echo
from apps.word_vectors.config import PRESETS
from apps.word_vectors.config import Config as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options, PRESETS)

import numpy as np

from apps.word_vectors import evaluate, model, scores
from data_pipelines import word_vectors as pipeline

# Epochs, unless a flag says otherwise.
EPOCHS = 5
COLUMNS = (*scores.METRICS, "words_per_core_second")


class Texts:
    """The texts of a split as gensim reads them, unknown words left out."""

    def __init__(self, data: pipeline.Datasets):
        self.split = data.train
        self.words = np.array(data.vocabulary.words, object)

    def __iter__(self) -> Iterator[list[str]]:
        for row in range(len(self.split.texts)):
            ids = self.split.word_ids[self.split.texts[row]]
            yield self.words[ids[self.split.counts[ids] > 0]].tolist()


def timed(train: Callable[[], None], words: int) -> tuple[float, float]:
    """Return words a second, and a second of a core, of a function."""
    wall, before = time.perf_counter(), os.times()
    train()
    wall, after = time.perf_counter() - wall, os.times()
    cores = after.user + after.system - before.user - before.system
    return words / wall, words / cores


def ours(data: pipeline.Datasets, config: Options) -> tuple:
    """Return our vectors `(V, D)`, and the speeds."""
    train = data.train
    trained, word_vectors = model.build(config, len(data.vocabulary))
    steps = config.epochs * train.steps_per_pass
    model.compile_model(trained, config, steps)
    # One step before, which compiles, at a rate that changes nothing.
    trained.optimizer.build(trained.trainable_variables)
    start = [variable.numpy() for variable in trained.variables]
    once = train.dataset(True)
    trained.fit(once, steps_per_epoch=1, shuffle=False, verbose=0)
    for variable, value in zip(trained.variables, start, strict=True):
        variable.assign(value)
    trained.optimizer.iterations.assign(0)
    speeds = timed(
        lambda: trained.fit(
            train.dataset(True), steps_per_epoch=steps, shuffle=False, verbose=0
        ),
        config.epochs * len(train),
    )
    return word_vectors.get_layer("vectors").get_weights()[0], *speeds


def by_gensim(data: pipeline.Datasets, config: Options) -> tuple:
    """Return gensim's vectors `(V, D)`, and the speeds."""
    from gensim.models import Word2Vec

    other = Word2Vec(
        vector_size=config.embedding_size,
        window=config.window,
        min_count=1,
        workers=max(os.cpu_count() or 2, 2),
        sg=int(config.model == "skip_gram"),
        negative=config.negatives,
        sample=config.subsample,
        alpha=config.learning_rate,
        seed=config.seed + 1,
    )
    texts = list(Texts(data))
    other.build_vocab(texts)
    speeds = timed(
        lambda: other.train(
            texts, total_examples=other.corpus_count, epochs=config.epochs
        ),
        config.epochs * len(data.train),
    )
    vectors = np.zeros((len(data.vocabulary), config.embedding_size))
    known = data.vocabulary.ids(other.wv.index_to_key)
    vectors[known] = other.wv.vectors
    return vectors, *speeds


def main(options: Options) -> None:
    """Train both, and print a table."""
    config = dataclasses.replace(options, epochs=options.epochs or EPOCHS)
    data = evaluate.read_data(config)
    echo(*data.report(), sep="\n")
    ways = {"ours": ours, "gensim": by_gensim}
    try:
        import gensim
    except ModuleNotFoundError:
        echo(
            "gensim is not installed, so it is left out; .venv/bin/python -m"
            " pip install gensim"
        )
        del ways["gensim"]
    else:
        echo(f"gensim {gensim.__version__}, {config.epochs} epochs of each")
    rows = {}
    for name, way in ways.items():
        vectors, wall, core = way(data, config)
        own = scores.score(
            vectors, data.vocabulary, data.pairs, data.questions, wall
        )
        rows[name] = {**own.metrics, "words_per_core_second": core}
    echo(tables.text(rows, COLUMNS))


if __name__ == "__main__":
    cli.main(lambda: main(options))
