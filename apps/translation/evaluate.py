"""Score a run beside the trivial baselines.

    make evaluate-translation ARGS="--run demo-gru"
    make evaluate-translation ARGS="--beam 10 --split valid"
    python -m apps.translation.evaluate --dataset files --data-path my-pairs

`bleu`, `chrf`, `exact_match` and `edit_rate` are of beam search, `bleu_greedy`
of greedy decoding (`scores.py` defines them), `perplexity` of the targets.
Baselines: `copy_source`, the source itself, and `most_frequent`, the most
frequent sentence of training.
"""

from apps.common import cli, scoring
from apps.common.terminal import echo

from .config import EvaluateOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)


import keras

from apps.common import ensemble, runs, tables
from apps.common.generation import Hypothesis
from apps.common.optimizer import averaged
from apps.common.search import GREEDY, Search
from apps.common.token_loss import perplexity, teacher_forced
from data_pipelines import translation as pipeline

from . import scores
from .predict import Predictor, languages_of

BATCH = 128


def translate(
    predictor: Predictor, split: pipeline.Split, search: Search
) -> list[Hypothesis]:
    """Return the best translation of every source, in order."""
    return split.in_order(
        [
            translations[0]
            for ids in split.sources(BATCH)
            for translations in predictor.decode(ids, search)
        ]
    )


def score(
    predictor: Predictor,
    split: pipeline.Split,
    language: str,
    search: Search,
) -> tuple[dict, list[Hypothesis]]:
    """Return the scores of a split and its translations by beam search.

    The language is that of the targets, in two letters.
    """
    greedy = [t.text for t in translate(predictor, split, GREEDY)]
    translations = translate(predictor, split, search)
    outputs = [translation.text for translation in translations]
    references = split.references
    return {
        **scores.scores(outputs, references, language),
        "bleu_greedy": scores.bleu(greedy, references, language),
        "perplexity": perplexity(predictor.model, split.dataset()),
    }, translations


def baselines(data: pipeline.Datasets) -> dict[str, dict]:
    """Return the scores of both baselines on the test split."""
    return scores.baselines(
        list(data.test.source_texts),
        data.test.references,
        data.train.target_texts,
        data.languages[1],
    )


class Validation(keras.callbacks.Callback):
    """Each epoch: scores of the validation split, by the averaged weights.

    `val_bleu` is of the model's own greedy translations; the loss and the
    perplexity are of the references.

    Attributes:
        references: All right translations of each sentence of the split.
        translations: Those of the split after the last epoch, in order.
    """

    def __init__(self, data: pipeline.Datasets, predictor: Predictor):
        super().__init__()
        self.split = data.valid
        self.language = data.languages[1]
        self.references = data.valid.references
        self.batches = data.valid.dataset().map(teacher_forced)
        self.predictor = predictor
        self.translations = []

    def on_epoch_end(self, epoch, logs=None):
        with averaged(self.model):
            losses = self.model.evaluate(
                self.batches, verbose=0, return_dict=True
            )
            self.translations = translate(self.predictor, self.split, GREEDY)
        outputs = [translation.text for translation in self.translations]
        logs.update({f"val_{name}": value for name, value in losses.items()})
        logs["val_bleu"] = scores.bleu(outputs, self.references, self.language)


def datasets(
    run: runs.Run,
    predictor: Predictor,
    dataset: str,
    data_path: str | None,
    encoding: str,
    whole: bool = False,
) -> pipeline.Datasets:
    """Return a data set as a finished run reads it."""
    config = predictor.config
    return pipeline.make_datasets(
        dataset,
        data_path,
        cache_path=config.cache_path,
        # Of a run without --languages, those that its train files named.
        languages=config.languages or "-".join(languages_of(run)),
        same_language=config.same_language,
        tokens=config.tokens,
        target_tokens=config.target_tokens,
        vocabulary_size=config.vocabulary_size,
        batch_tokens=config.batch_tokens,
        max_length=config.max_length,
        seed=config.seed,
        tokenizers=(predictor.source, predictor.target),
        encoding=encoding,
        whole=whole,
    )


def main(options: Options) -> None:
    """Print the scores of a run on one split of its data, or of others."""
    opened = runs.open_runs("translation", options.run, options.runs_path)
    run = opened[0]
    predictor = Predictor.of_runs(opened)
    config = predictor.config
    dataset = scoring.data_to_score(options, vars(config), pipeline.SOURCES)
    data = datasets(
        run,
        predictor,
        *dataset,
        encoding=(options if options.dataset else config).encoding,
        whole=scoring.is_other_file(options, vars(config)),
    )
    split, language = (
        scoring.split_to_score(run, data, options),
        data.languages[1],
    )
    search = options.search(config)
    rows, _ = ensemble.score(
        opened,
        Predictor.of_run,
        predictor,
        lambda one: score(one, split, language, search),
        options.split,
        dataset,
    )
    if options.split == "test" and len(data.train):
        rows |= baselines(data)
    echo(tables.text(rows, scores.METRICS))
    signatures = scores.signatures(split.references, language)
    for name, signature in signatures.items():
        echo(f"{name}: {signature}")


if __name__ == "__main__":
    cli.main(lambda: main(options))
