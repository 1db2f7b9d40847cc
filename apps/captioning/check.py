"""What `make check-captioning` shows of the data."""

import numpy as np

from apps.common import duplicates
from apps.common.data_page import Description, Example, share, splits_of
from apps.common.samples import spread
from data_pipelines import captioning as pipeline
from data_pipelines.vision import images

from . import page, scores
from .config import Config
from .evaluate import references

EXAMPLES = 4


def describe(data: pipeline.Datasets, config: Config) -> Description:
    """Return what there is to say of pictures and their captions."""
    splits = splits_of(data)
    contents = {
        name: [data.inputs.contents[p.name] for p in split.pictures]
        for name, split in splits.items()
    }
    return Description(
        counts={
            name: {
                "pictures": len(split),
                "captions": split.pairs,
                "tokens": int(split.tokens.tokens.lengths.sum()),
                "unknown": share(split.tokens.unknown_rate),
                "cut": split.tokens.cut,
            }
            for name, split in splits.items()
        },
        measured={
            "tokens of a caption": {
                name: split.tokens.tokens.lengths
                for name, split in splits.items()
            },
            "captions of a picture": {
                name: np.bincount(split.owners, minlength=len(split))
                for name, split in splits.items()
            },
        },
        overlaps=duplicates.of_hashes(
            {name: hashes(split) for name, split in splits.items()},
            contents,
            {n: [p.name for p in s.pictures] for n, s in splits.items()},
        ),
        repeated=duplicates.repeated(contents["train"]),
        left_out=data.bad.reasons,
        examples=[
            Example(
                f"{name}: {picture.name}",
                picture.captions,
                page.thumbnail(images.content(picture.path))[0],
                "jpeg",
            )
            for name, split in splits.items()
            for picture in map(
                split.pictures.__getitem__, spread(len(split), EXAMPLES)
            )
        ],
        baselines=_baselines(data) if len(data.valid) else {},
    )


def hashes(split: pipeline.Split) -> np.ndarray:
    """Return what tells the pictures of a split from others, `(N, 96)`."""

    def of_picture(path):
        return duplicates.bits(images.read(path, (16, 17)))

    paths = [picture.path for picture in split.pictures]
    rows = list(images.in_order(of_picture, paths))
    for row in rows:
        if isinstance(row, images.PictureError):  # changed since it was read
            raise row
    return np.array(rows, np.uint8).reshape(-1, 96)


def _baselines(data):
    """Return the scores of the most frequent caption, and of people."""
    people = references(data.valid)
    frequent = scores.most_frequent(
        text for texts in data.train.references for text in texts
    )
    rows = {"most_frequent": scores.scores([frequent] * len(people), people)}
    human = scores.human(people)
    return rows | ({"human": human} if human else {})
