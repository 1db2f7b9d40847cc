r"""Pictures and their captions -> batches of (picture, caption).

Record    (picture, captions): a file, and several strings
Files     --data-path FOLDER with captions.csv (columns image, caption and, if
          you have it, split; a row for each caption) and the pictures in
          images/ or beside it; or the files of COCO, Flickr8k, Flickr30k,
          Karpathy and Kaggle: see `captions`. A missing split is cut from
          train: a tenth of its pictures, chosen by a hash of their names.
Batch     (inputs, tokens): pictures, and a caption of each, int32 `(B, T)`,
          each row is BEGIN ... END, padded with 0 on the right. Without an
          encoder the inputs are pixels, uint8 `(B, H, W, 3)`, RGB; with one,
          features, float16 `(B, R, C)`, its R regions of C channels.

    data = make_datasets("files", "my-pictures", cache_path="data/cache",
                         picture_size=96, vocabulary_size=5_000,
                         minimum_count=5, max_length=30, batch_size=64, seed=0)
    data.train.dataset(training=True, start_step=0)  # endless; fit needs
    data.train.steps_per_pass                        # steps_per_epoch
    data.valid.dataset()                    # one pass over all pairs
    for batch in data.test.each_input(32): ...  # each picture once, in order
    data.test.references                    # their captions, in order
    data.test.pictures[i], data.test.example_input(i), data.test.facts[i]
    data.tokenizer.save(path), data.inputs, data.bad, data.examples
    print(*data.report(), sep="\n")

An encoder is an object with a `key`, which names everything its results depend
on, a `size` (H, W), and a call that makes float `(B, R, C)` of uint8
`(B, H, W, 3)`; it sees each picture once, see `vision.picture_inputs`.

Pictures that cannot be read are in no split; they are counted and listed, and
an error if they are many.
"""

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipelines.captioning import captions, tfds_export
from data_pipelines.captioning.captions import Captions, Picture
from data_pipelines.captioning.datasets import Datasets, Split
from data_pipelines.captioning.demo import generator as demo
from data_pipelines.captioning.normalize import normalize_caption
from data_pipelines.files import cache, tfds_records
from data_pipelines.files.errors import DataError
from data_pipelines.files.names import printable
from data_pipelines.files.sources import Request
from data_pipelines.files.splits import SPLITS
from data_pipelines.text import token_rows
from data_pipelines.text.tokenizers import VERSION, Tokenizer
from data_pipelines.vision import images, picture_inputs
from data_pipelines.vision.frame_store import Encoder

# What a caption says of a scene of the demo: lines, in any order; None if it
# is no sentence of the demo's grammar. Case and punctuation do not count.
facts = demo.facts


class _Captioned(NamedTuple):
    """Pictures of one split that have a caption with a word, and these.

    Attributes:
        wordless: Number of captions that were left out.
        captionless: Files of pictures that have no other captions.
    """

    pictures: list[Picture]
    references: list[tuple[str, ...]]
    wordless: int
    captionless: list[Path]

    @property
    def texts(self) -> list[str]:
        """The captions one after another."""
        return list(itertools.chain.from_iterable(self.references))

    @property
    def owners(self) -> np.ndarray:
        """Which picture each caption belongs to, `(N,)`."""
        counts = list(map(len, self.references))
        return np.repeat(np.arange(len(counts)), counts)

    @property
    def digest(self) -> str:
        """A short name for the captions."""
        # No caption has a line break.
        raw = "\n".join(self.texts).encode()
        return f"{len(self.texts)} {hashlib.sha256(raw).hexdigest()}"


def make_datasets(
    dataset: str,
    data_path: str | Path | None = None,
    *,
    cache_path: str | Path,
    encoder: Encoder | None = None,
    picture_size: int | tuple[int, int],
    mode: str = "stretch",
    normalize_captions: bool = True,
    tokens: str = "words",
    vocabulary_size: int,
    minimum_count: int = 1,
    max_length: int,
    batch_size: int,
    captions_per_picture: int = 1,
    seed: int,
    download: bool = False,
    tokenizer: Tokenizer | None = None,
    adapt: Callable[..., tuple] | None = None,
    allow_outside: bool = False,
    encoding: str = "",
) -> Datasets:
    """Read captions and pictures; the second time from a cache.

    Args:
        dataset: A name from `SOURCES`.
        data_path: For `files` the folder; for a public set TFDS's own folder;
            not for `demo`, which is written below `cache_path`.
        cache_path: Folder of the caches. It may be deleted at any time.
        encoder: What makes features of pictures; None: batches hold pixels.
        picture_size: Height and width of the pictures, one number is both;
            without effect if there is an encoder, which has its own.
        mode: How pictures get that size, one of `images.MODES`.
        normalize_captions: Whether captions are learned in lower case, without
            punctuation; else as they are written.
        tokens: What a caption is cut into, one of `tokenizers.KINDS`.
        vocabulary_size: Most words of the vocabulary, which is that of train.
        minimum_count: Words rarer in train are unknown.
        max_length: Most tokens of a caption, its end counted; longer ones are
            cut.
        batch_size: Rows of a batch.
        captions_per_picture: How many captions of a picture share a batch of
            training; its inputs have each picture once, row n of the tokens
            belongs to picture `n // captions_per_picture`.
        seed: Of the order of training, and of the cut of missing splits.
        download: Whether a public set may be downloaded.
        tokenizer: Of an old run, instead of a new one. No picture needs to be
            in train then, and splits that are missing are empty;
            `vocabulary_size` and `minimum_count` are without effect.
        adapt: Where training goes on from another run: function of the
            vocabulary of train to the one that is used, a tuple of one.
        allow_outside: Whether names of pictures may leave the folder.
        encoding: Of the files of captions; empty: UTF-8, or as they show.

    Returns:
        The splits and what belongs to them.

    Raises:
        DataError: If the data are not as described; the message says where.
    """
    if max_length < 2:
        raise ValueError(f"max_length must be at least 2, not {max_length}")
    if mode not in images.MODES:
        raise ValueError(f"mode must be one of {images.MODES}, not {mode!r}")
    cache_path = Path(cache_path)
    request = Request(data_path, cache_path, download, tokenizer is None)
    folder, known_facts = SOURCES[dataset](request)
    read = captions.read(
        folder,
        seed=seed,
        training=request.training,
        cache_path=cache_path,
        allow_outside=allow_outside,
        encoding=encoding,
    )
    files = [(picture.name, picture.path) for picture in read.pictures.values()]
    if encoder is None:
        square = isinstance(picture_size, int)
        inputs = picture_inputs.read_pixels(
            files,
            (picture_size, picture_size) if square else tuple(picture_size),
            mode,
            cache_path / "pictures",
            read.bad,
        )
    else:
        inputs = picture_inputs.extract_features(
            files, encoder, mode, cache_path / "features", read.bad
        )
    read = read.separated(inputs.contents)
    parts = {
        split: _captioned(
            (p for p in read.split(split) if p.name in inputs.contents),
            normalize_captions,
        )
        for split in SPLITS
    }
    if tokenizer is None:
        for split, part in parts.items():
            if not part.texts:
                raise DataError(
                    f"{read.name}: no picture of {split} can be read and has "
                    "a caption with a word"
                )
        settings = (vocabulary_size, minimum_count)
        more = [] if tokens == "words" else [tokens]
        key = cache.key(VERSION, parts["train"].digest, *settings, *more)
        path = cache_path / f"{key}-caption-words"
        texts = {"vocabulary.txt": parts["train"].texts}
        learned = token_rows.learn(path, texts, tokens, *settings)
        (tokenizer,) = adapt(*learned) if adapt else learned
    digests = [part.digest for part in parts.values()]
    key = cache.key(
        token_rows.FORMAT, VERSION, digests, tokenizer.kind, tokenizer.pieces
    )
    encoded = token_rows.encode(
        cache_path / f"{key}-caption-ids",
        {split: (part.texts, tokenizer) for split, part in parts.items()},
        max_length - 1,
    )
    datasets = {
        split: Split(
            part.pictures,
            part.references,
            [known_facts.get(picture.name) for picture in part.pictures],
            part.owners,
            encoded[split],
            inputs,
            batch_size,
            captions_per_picture,
            seed,
        )
        for split, part in parts.items()
    }
    return Datasets(
        **datasets,
        tokenizer=tokenizer,
        name=read.name,
        notes=_notes(read, list(parts.values())),
    )


def _captioned(pictures: Iterable[Picture], normalize: bool) -> _Captioned:
    """Return the pictures that have a caption with a word, and these."""
    captioned, references, wordless, captionless = [], [], 0, []
    for picture in pictures:
        texts = picture.captions
        if normalize:
            texts = tuple(filter(None, map(normalize_caption, texts)))
            wordless += len(picture.captions) - len(texts)
        if texts:
            captioned.append(picture)
            references.append(texts)
        else:
            captionless.append(picture.path)
    return _Captioned(captioned, references, wordless, captionless)


def _notes(read: Captions, parts: Sequence[_Captioned]) -> list[str]:
    """Return lines about what was read, and what was left out of it."""
    notes = list(read.notes)
    if wordless := read.wordless + sum(part.wordless for part in parts):
        notes.append(f"{wordless:,} captions without a word left out")
    captionless = sum((part.captionless for part in parts), read.captionless)
    if captionless:
        notes.append(
            f"{len(captionless):,} pictures without a caption left out, such "
            f"as {printable(captionless[0])}"
        )
    return notes


def _files(
    request: Request,
) -> tuple[str | Path | None, dict[str, frozenset[str]]]:
    """Return a folder of the user's."""
    return request.data_path, {}


def _demo(
    request: Request, small: bool = False
) -> tuple[Path, dict[str, frozenset[str]]]:
    """Return drawn scenes, the same for every seed, and their facts."""
    folder = request.demo("captioning", demo, small).data_path
    return folder, demo.known(folder)


def _coco(request: Request) -> tuple[Path, dict[str, frozenset[str]]]:
    """Return COCO's pictures, of TFDS, written as files."""
    builder = tfds_records.prepared(
        "coco_captions", request.data_path, request.download
    )
    name = cache.key(
        tfds_export.VERSION, tfds_records.builder_fingerprint(builder)
    )
    folder = cache.folder(
        request.cache_path / f"{name}-coco_captions",
        lambda path: tfds_export.write(builder, path),
    )
    return folder, {}


# Pictures (train, valid, test) and licences as published:
# coco_captions  113,287  5,000  5,000  captions CC BY 4.0, pictures Flickr's
SOURCES = {
    "demo": _demo,
    "demo_small": functools.partial(_demo, small=True),
    "files": _files,
    "coco_captions": _coco,
}
