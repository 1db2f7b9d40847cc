"""Pictures of coloured shapes, and five captions of each.

Files     images/train_00000.jpg ..., 64 x 64 pixels
          captions.csv with the columns image,caption,split, five rows a picture
          scenes.csv with the columns image,split,facts,new

The captions say how many shapes there are, of which size and colour, and how
they stand. `facts` reads that from any of them,

    Three little green rings are under and to the right of a big blue ring.
    {"1 large blue ring", "3 small green ring",
     "blue ring above and left of green ring"}

and a caption is right if it has the facts of the picture, all and no others.
The five differ in pattern and words, but by no chance.

One shape of each colour and a sixth of the triples of shape, relation and shape
are kept from train. Half the pictures of valid and test have one of these, and
are `new` in scenes.csv. No caption of train is right for any of valid or test.
"""

import csv
import random
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipelines.captioning.demo import pictures, scenes, sentences
from data_pipelines.vision.shapes import Item

facts = sentences.facts

# Files of one version are written once: raise it with any change of them.
VERSION = 3
SIZES = {"train": 8000, "valid": 300, "test": 500}
SMALL_SIZES = {"train": 500, "valid": 40, "test": 40}
# The part of valid and test with combinations that train does not have.
NEW = 0.5


class Example(NamedTuple):
    """A picture, before it is drawn."""

    image: str
    scene: scenes.Scene
    items: list[Item]

    @property
    def new(self) -> bool:
        """Whether it has a combination that is kept from train."""
        return any(map(held_out, self.scene.combinations))

    @property
    def captions(self) -> list[str]:
        """Five true sentences."""
        return sentences.write(self.scene)

    def draw(self, seed: int = 0) -> bytes:
        """Return a JPEG file."""
        seeds = [seed, zlib.crc32(self.image.encode())]
        return pictures.draw(self.items, np.random.default_rng(seeds))


def write(folder: Path, seed: int = 0, sizes: dict | None = None) -> None:
    """Write all files into a folder that belongs to the demo alone."""
    (folder / "images").mkdir()
    captions = [("image", "caption", "split")]
    facts = [("image", "split", "facts", "new")]
    for split, examples in splits(seed, sizes).items():
        for example in examples:
            path = folder / "images" / example.image
            path.write_bytes(example.draw(seed))
            captions += [(path.name, text, split) for text in example.captions]
            text = "; ".join(sorted(example.scene.facts))
            facts.append((path.name, split, text, int(example.new)))
    for name, rows in (("captions", captions), ("scenes", facts)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def known(folder: Path) -> dict[str, frozenset[str]]:
    """Return the facts of each picture, from the files that `write` wrote."""
    rows = csv.DictReader((folder / "scenes.csv").read_text().splitlines())
    return {row["image"]: frozenset(row["facts"].split("; ")) for row in rows}


def splits(seed: int = 0, sizes: dict | None = None) -> dict[str, list]:
    """Return the examples of each split; equal seeds give equal ones."""
    sizes, taken, examples = sizes or SIZES, set(), {}
    # Train last: it avoids the facts of the others, and may repeat its own.
    for split, size in reversed(sizes.items()):
        chance = random.Random(f"{seed} {split}")
        examples[split] = []
        for number in range(size):
            new = split != "train" and number < NEW * size
            image = f"{split}_{number:05}.jpg"
            examples[split].append(_example(image, new, chance, taken))
            if split != "train":
                taken.add(examples[split][-1].scene.facts)
    return dict(reversed(examples.items()))


def _example(
    image: str, new: bool, chance: random.Random, taken: set[frozenset[str]]
) -> Example:
    """Return one whose facts are not taken, and that has room for them."""
    (kind,) = chance.choices([*scenes.KINDS], scenes.WEIGHTS)
    relation = chance.choice(scenes.KINDS[kind][1])
    while True:
        scene = scenes.random_scene(chance, kind, relation)
        items = pictures.arrange(scene, chance)
        example = Example(image, scene, items or [])
        if items and example.new == new and scene.facts not in taken:
            return example


def held_out(combination: str) -> bool:
    """Return whether a combination is kept for valid and test."""
    words = combination.split()
    if len(words) == 2:
        colour, shape = [*scenes.COLOURS].index(words[0]), words[1]
        return (colour + scenes.SHAPES.index(shape)) % 4 == 0
    return zlib.crc32(combination.encode()) % 6 == 0
