r"""Sentences and their translations -> batches of like numbers of tokens.

Record    (source, target): two strings
Files     --data-path FOLDER with train.en and train.de (line n of one
          translates line n of the other) and, if you have them, valid.* and
          test.*, named by --languages en-de, source first, and beside them
          test.alternatives, further right translations of line n with tabs
          between, which scores count as well; or train.tsv with
          two columns, in the order of --languages or as its first line,
          `en<TAB>de`, says; or train.csv, .jsonl or .parquet with columns
          `en` and `de`; gzipped or not; or one such table. A missing split is
          cut from train: a tenth of it, chosen by a hash of the source
          sentence, so equal ones stay on one side.
Batch     (source, target): int32 `(B, S)`, each row ends with END; int32
          `(B, T)`, each row is BEGIN ... END; padded with 0 on the right;
          `B * max(S, T)` is `batch_tokens` at most

    data = make_datasets("files", "my-pairs", cache_path="data/cache",
                         languages="en-de", vocabulary_size=5_000,
                         batch_tokens=4_000, max_length=100, seed=0)
    data.train.dataset(training=True, start_step=0)  # endless; fit needs
    data.train.steps_per_pass                        # steps_per_epoch
    data.valid.dataset()                             # one pass, by length
    for ids in data.test.sources(64): ...            # sources to translate
    data.test.in_order(translations)         # back in the order of the file
    data.test.source_texts[i], data.test.target_texts, len(data.test)
    data.test.references[i]                  # all that is right, a list
    data.source_tokenizer.save(path), data.languages, data.examples
    print(*data.report(), sep="\n")
"""

import functools
import re
from collections.abc import Callable
from pathlib import Path

from data_pipelines.files import cache, splits, tfds_records
from data_pipelines.files.errors import DataError
from data_pipelines.files.sources import Request, Source
from data_pipelines.files.splits import SPLITS
from data_pipelines.files.tfds_records import TfdsRows
from data_pipelines.text import token_rows
from data_pipelines.text.tokenizers import VERSION, Tokenizer
from data_pipelines.translation import pair_store, parallel_files
from data_pipelines.translation.batching import BUCKETS
from data_pipelines.translation.datasets import Datasets, Dropout, Split
from data_pipelines.translation.demo import generator as demo


def make_datasets(
    dataset: str,
    data_path: str | Path | None = None,
    *,
    cache_path: str | Path,
    languages: str = "",
    same_language: bool = False,
    tokens: str = "subwords",
    target_tokens: str = "",
    vocabulary_size: int,
    batch_tokens: int,
    max_length: int,
    seed: int,
    subword_dropout: float = 0.0,
    minimum_count: int = 1,
    buckets: int = BUCKETS,
    multiple: int = 1,
    download: bool = False,
    tokenizers: tuple[Tokenizer, Tokenizer] | None = None,
    adapt: Callable[..., tuple] | None = None,
    encoding: str = "",
    whole: bool = False,
) -> Datasets:
    """Read, tokenize and encode a data set; the second time from a cache.

    Args:
        dataset: A name from `SOURCES`.
        data_path: For `files` the folder, or one table; for a public set
            TFDS's own folder; not for `demo`, which is written below
            `cache_path`.
        cache_path: Folder of the caches. It may be deleted at any time.
        languages: Source and target, "en-de"; empty: as the data say, if
            they do.
        same_language: Whether both sides may be alike, as in correction.
        tokens: What a sentence is cut into, one of `tokenizers.KINDS`.
        target_tokens: What a target is, if not into the same.
        vocabulary_size: Most tokens that either vocabulary, which is that of
            train, may have.
        batch_tokens: Most positions of either side in a batch.
        max_length: Most tokens of a sentence, its end counted; longer ones
            are cut.
        seed: Of the order of training, and of the cut of missing splits.
        subword_dropout: How often two pieces of a training sentence are not
            joined (BPE-dropout), anew in each pass.
        minimum_count: Words or characters rarer in train are unknown.
        buckets: How many different shapes batches may have.
        multiple: Of which the rows of a training batch are one, if they can be.
        download: Whether a public set may be downloaded.
        tokenizers: Of an old run, source and target, instead of new ones. A
            folder needs no train files then; what they are cut into,
            `vocabulary_size` and `minimum_count` are without effect.
        adapt: Where training goes on from another run: function of the
            tokenizers of train, source and target, to those that are used.
        encoding: Of the files; empty: UTF-8, or as their marks say.
        whole: Whether one file is all test, and not cut into splits.

    Returns:
        The splits and what belongs to them.

    Raises:
        DataError: If the data are not as described; the message says where.
    """
    kinds = (tokens, target_tokens or tokens)
    if subword_dropout and "subwords" not in kinds:
        raise DataError(
            f"--subword-dropout is for --tokens subwords, not for {tokens}"
        )
    if max_length < 2:
        raise ValueError(f"max_length must be at least 2, not {max_length}")
    cache_path = Path(cache_path)
    request = Request(
        data_path,
        cache_path,
        download,
        tokenizers is None,
        encoding,
        whole=whole,
    )
    chosen, sources, fingerprint = SOURCES[dataset](request, languages)
    key = cache.key(
        pair_store.FORMAT,
        VERSION,
        chosen,
        fingerprint,
        *(["same"] if same_language else []),
    )
    stored = pair_store.load(
        cache.folder(
            cache_path / f"{key}-pairs",
            lambda folder: pair_store.build(folder, sources, same_language),
        )
    )
    rows = pair_store.rows_of_splits(stored, sources, seed)
    if tokenizers is None:
        number, train = rows["train"]
        learned = []
        for side, kind in enumerate(kinds):
            texts = {f"{side}.txt": stored[number].sides[side].chosen(train)}
            # Rows of train depend on the seed if something is cut from it.
            settings = (kind, vocabulary_size, minimum_count)
            words = cache.key(*settings, cache.digest(train), side)
            path = cache_path / f"{key}-words-{words}"
            learned += token_rows.learn(path, texts, *settings)
        tokenizers = tuple(learned)
        if adapt:
            tokenizers = adapt(*tokenizers)
    ids = cache.key(token_rows.FORMAT, [(t.kind, t.pieces) for t in tokenizers])
    encoded = token_rows.encode(
        cache_path / f"{key}-ids-{ids}",
        {
            f"{number}.{side}": (texts, tokenizers[side])
            for number, pairs in enumerate(stored)
            for side, texts in enumerate(pairs.sides)
        },
        max_length - 1,
    )
    dropout = None
    if subword_dropout:
        dropout = Dropout(tokenizers, subword_dropout)
    return Datasets(
        **{
            split: Split(
                tuple(
                    encoded[f"{number}.{side}"].chosen(own) for side in (0, 1)
                ),
                stored[number].digests[:, own],
                stored[number].alternatives.chosen(own),
                batch_tokens,
                seed,
                dropout if split == "train" else None,
                buckets,
                multiple,
            )
            for split, (number, own) in rows.items()
        },
        tokenizers=tokenizers,
        languages=chosen,
        sources=[pairs.about for pairs in stored],
    )


def _files(
    request: Request, languages: str
) -> tuple[tuple[str, str], list[Source], list]:
    """Find a folder of the user's."""
    chosen, pairs = parallel_files.find(request, languages)
    sources = [
        Source(own.name, own, splits.shares(split, pairs), own.sides)
        for split, own in pairs.items()
    ]
    paths = [path for own in pairs.values() for path in own.paths]
    files = list(map(cache.file_fingerprint, paths))
    return chosen, sources, [files, request.encoding]


def _demo(
    request: Request, languages: str, small: bool = False
) -> tuple[tuple[str, str], list[Source], list]:
    """Write English and French by our own grammar."""
    request = request.demo("translation", demo, small)
    return _files(request, languages or "en-fr")


def _public(
    name: str, request: Request, languages: str
) -> tuple[tuple[str, str], list[Source], list]:
    """Take a set of TFDS with its own splits, in either direction."""
    own = tuple(re.split("_to_|-", name.partition("/")[2]))
    chosen = parallel_files.parse(languages) if languages else own
    if sorted(chosen) != sorted(own):
        raise DataError(
            f"{name}: --languages {languages}: expected {'-'.join(own)} or "
            f"{'-'.join(reversed(own))}"
        )
    builder = tfds_records.prepared(name, request.data_path, request.download)
    columns = {"source": chosen[:1], "target": chosen[1:]}
    sources = []
    for split, part in zip(
        SPLITS, ("train", "validation", "test"), strict=True
    ):
        rows = TfdsRows(builder, part, columns)
        names = tuple(f"{rows.name}, {language}" for language in chosen)
        sources.append(Source(rows.name, rows, {split: 1.0}, names))
    return chosen, sources, tfds_records.builder_fingerprint(builder)


# Counts (train, valid, test) and licences as published:
# ted_hrlr_translate/pt_to_en     51,785  1,193  1,803   CC BY-NC-ND (TED)
# ted_hrlr_translate/ru_to_en    208,106  4,805  5,476   CC BY-NC-ND (TED)
# ted_hrlr_translate/tr_to_en    182,450  4,045  5,029   CC BY-NC-ND (TED)
# ted_hrlr_translate/az_to_en      5,946    671    903   CC BY-NC-ND (TED)
# wmt14_translate/de-en        4,508,785  3,000  3,003   research use
SOURCES = {
    "demo": _demo,
    "demo_small": functools.partial(_demo, small=True),
    "files": _files,
    "ted_hrlr_translate/pt_to_en": functools.partial(
        _public, "ted_hrlr_translate/pt_to_en"
    ),
    "ted_hrlr_translate/ru_to_en": functools.partial(
        _public, "ted_hrlr_translate/ru_to_en"
    ),
    "ted_hrlr_translate/tr_to_en": functools.partial(
        _public, "ted_hrlr_translate/tr_to_en"
    ),
    "ted_hrlr_translate/az_to_en": functools.partial(
        _public, "ted_hrlr_translate/az_to_en"
    ),
    "wmt14_translate/de-en": functools.partial(
        _public, "wmt14_translate/de-en"
    ),
}
