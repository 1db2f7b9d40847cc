"""Score a run on pairs and analogies, those of its text or others.

    make evaluate-word-vectors ARGS="--run demo-skip_gram"
    make evaluate-word-vectors ARGS="--pairs wordsim353.tsv"
    python -m apps.word_vectors.evaluate --questions questions-words.txt

`scores.py` defines the scores, `baselines.py` says what stands beside them.
"""

from apps.common import cli, outcome
from apps.common.terminal import echo

from .config import EvaluateOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import statistics
import time

import keras

from apps.common import runs, tables
from apps.common.checks import DEMOS
from data_pipelines import word_vectors as pipeline
from data_pipelines.word_vectors import test_sets

from . import baselines, model, scores
from .config import Config
from .predict import Predictor


def read_data(config: Config, **tests: str) -> pipeline.Datasets:
    """Return the data of a configuration; `tests` in place of its own."""
    return pipeline.make_datasets(
        config.dataset,
        config.data_path or None,
        cache_path=config.cache_path,
        tokens=config.tokens,
        vocabulary_size=config.vocabulary_size,
        minimum_count=config.minimum_count,
        window=config.window,
        negatives=model.shared_negatives(config),
        subsample=config.subsample,
        seed=config.seed,
        download=config.download,
        encoding=config.encoding,
        text_column=config.text_column,
        **{"pairs": config.pairs, "questions": config.questions, **tests},
    )


def baseline_scores(
    data: pipeline.Datasets, config: Config
) -> dict[str, scores.Scores]:
    """Return the scores of every baseline."""
    vectors, speed = baselines.ppmi_svd(
        data.train, config.embedding_size, config.seed
    )
    sets = data.vocabulary, data.pairs, data.questions
    rows = {"ppmi_svd": scores.score(vectors, *sets, speed)}
    if config.dataset in DEMOS:
        from data_pipelines.word_vectors.demo import generator

        metrics = {**dict.fromkeys(scores.METRICS), **generator.attainable()}
        rows["attainable"] = scores.Scores(metrics, 0, {})
    return rows


class Speed(keras.callbacks.Callback):
    """Each epoch: words read until now, and in a second."""

    def __init__(self, words: int):
        super().__init__()
        self.words = words

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self._seconds = time.perf_counter() - self._begun

    def on_epoch_end(self, epoch, logs=None):
        logs["words"] = (epoch + 1) * self.words
        logs["words_per_second"] = self.words / self._seconds


def speed(rows: list[dict]) -> float:
    """Return words a second by the log: the median, as the first compiles."""
    return statistics.median(row["words_per_second"] for row in rows)


def by_section(own: scores.Scores) -> str:
    """Return how many questions of each section are answered, as a table."""
    rows = {
        name or "questions": section._asdict()
        for name, section in own.sections.items()
    }
    return tables.text(rows, scores.Section._fields, "section")


def main(options: Options) -> None:
    """Print the scores of a run."""
    run = runs.open_run("word_vectors", options.run, options.runs_path)
    predictor = Predictor.of_run(run)
    record = {}
    if run.finished:
        record = outcome.read_metrics(run.path)["metrics"]
    tests = {
        name: path
        for name, path in vars(options).items()
        if name in ("pairs", "questions") and path
    }
    config = run.config(Config)
    if options.baseline or len(tests) < 2:
        data = read_data(config, **tests)
        pairs, questions = data.pairs, data.questions
        if not (pairs or questions):
            raise cli.UserError(
                f"{run.path} has neither pairs nor questions; give --pairs or"
                " --questions"
            )
    else:
        pairs = test_sets.read_pairs(options.pairs)
        questions = test_sets.read_questions(options.questions)
    own = scores.score(
        predictor.vectors,
        predictor.vocabulary,
        pairs,
        questions,
        record.get("words_per_second"),
    )
    rows = {run.name: own.metrics}
    if options.baseline:
        others = baseline_scores(data, config)
        rows |= {name: other.metrics for name, other in others.items()}
    echo(tables.text(rows, scores.METRICS))
    for name, text in scores.signature(own, len(pairs), len(questions)).items():
        echo(f"{name}: {text}")
    if questions:
        echo("", by_section(own), sep="\n")


if __name__ == "__main__":
    cli.main(lambda: main(options))
