"""Pairs of sentences, and data sets of them."""

import functools
import random

from data_pipelines.translation import pipeline as translation
from tests.data_pipelines.refusals import refusal

SOURCE = """the a small old red house dog cat sees takes has and
    under""".split()  # noqa: SIM905
TARGET = """das ein klein alt rot Haus Hund Katze sieht nimmt hat und
    unter""".split()  # noqa: SIM905


def sentences(count, seed=0, longest=14):
    """Pairs (source, target), word for word and all different."""
    chance = random.Random(seed)
    actual = {}
    while len(actual) < count:
        words = chance.choices(range(len(SOURCE)), k=chance.randint(2, longest))
        target = [TARGET[i] for i in words if i or chance.random() < 0.5]
        source = " ".join(SOURCE[i] for i in words)
        actual[source] = " ".join(target) or "und"
    return list(actual.items())


def write(folder, split, rows, languages=("en", "de")):
    for side, language in enumerate(languages):
        text = "".join(row[side] + "\n" for row in rows)
        (folder / f"{split}.{language}").write_text(text, "utf-8")


def make(folder, dataset="files", **changes):
    options = dict(
        cache_path=folder.parent / "cache",
        languages="en-de",
        vocabulary_size=100,
        batch_tokens=200,
        max_length=30,
        seed=0,
    )
    return translation.make_datasets(dataset, folder, **{**options, **changes})


fails = functools.partial(refusal, make)


def batches(dataset, count=10**9):
    return [(s.numpy(), t.numpy()) for s, t in dataset.take(count)]


def written(split):
    return list(zip(split.source_texts, split.target_texts, strict=True))


def texts_of(data, source, target):
    """The sentences of a batch."""
    return [
        (data.source_tokenizer.decode(s), data.target_tokenizer.decode(t))
        for s, t in zip(source.tolist(), target.tolist(), strict=True)
    ]
