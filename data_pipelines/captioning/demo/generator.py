"""Pictures of coloured shapes, and five captions of each.

Files     images/train_0000.jpg ..., 96 x 96 pixels
          captions.csv with the columns image,caption,split, five rows a picture
          scenes.csv with the columns image,split,facts,new

The captions say how many shapes there are, of which size and colour, and how
they stand. `facts` reads that from any sentence of the grammar,

    There are four small blue hearts with a big purple star above them.
    {"1 large purple star", "4 small blue heart",
     "purple star above blue heart"}

and a caption is right if it has the facts of the picture, all and no others.
A sixth of the combinations (of colour and shape, and of shape, relation and
shape) is kept from train, and half the pictures of valid and test have one of
these; they are `new` in scenes.csv. Every word is in the captions of train
`KNOWN` times or more. No two pictures have the same facts, so no caption of
train, the most frequent one or that of the most similar picture, is right for
any picture of test.
"""

import csv
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data_pipelines.captioning.demo import drawing, sentences
from data_pipelines.captioning.demo.layout import Layout
from data_pipelines.captioning.demo.scenes import WEIGHTS, Scene, random_scene
from data_pipelines.vision.shapes import Item

facts = sentences.facts

# Files of one version are written once: raise it with any change of them.
VERSION = 1
SIZES = {"train": 4000, "valid": 300, "test": 500}
SMALL_SIZES = {split: size // 10 for split, size in SIZES.items()}
CAPTIONS = 5
# How often a word of the captions stands in train at least.
KNOWN = 50
# The part of valid and test with combinations that train does not have.
NEW = 0.5


class Example(NamedTuple):
    """A picture, before it is drawn."""

    image: str
    scene: Scene
    items: list[Item]
    captions: list[str]

    @property
    def new(self) -> bool:
        """Whether it has a combination that is kept from train."""
        return any(map(held_out, self.scene.combinations))

    def draw(self, seed: int = 0) -> bytes:
        """Return a JPEG file."""
        return drawing.draw(self.items, f"{seed} {self.image}")


def write(folder: Path, seed: int = 0, sizes: dict | None = None) -> None:
    """Write all files into a folder that belongs to the demo alone."""
    (folder / "images").mkdir()
    captions = [("image", "caption", "split")]
    scenes = [("image", "split", "facts", "new")]
    for split, examples in splits(seed, sizes).items():
        for example in examples:
            path = folder / "images" / example.image
            path.write_bytes(example.draw(seed))
            captions += [(path.name, text, split) for text in example.captions]
            known = "; ".join(sorted(example.scene.facts))
            scenes.append((path.name, split, known, int(example.new)))
    for name, rows in (("captions", captions), ("scenes", scenes)):
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def known(folder: Path) -> dict[str, frozenset[str]]:
    """Return the facts of each picture, from the files that `write` wrote."""
    with (folder / "scenes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["image"]: frozenset(row["facts"].split("; ")) for row in rows}


def splits(seed: int = 0, sizes: dict | None = None) -> dict[str, list]:
    """Return the examples of each split; equal seeds give equal ones."""
    taken: set[frozenset[str]] = set()
    return {
        split: list(_examples(split, size, taken, seed))
        for split, size in (sizes or SIZES).items()
    }


def _examples(
    split: str, size: int, taken: set[frozenset[str]], seed: int
) -> Iterator[Example]:
    """Yield examples whose facts are not taken, and take them."""
    chance = random.Random(f"{seed} {split}")
    layout = Layout(chance)
    new = 0 if split == "train" else round(NEW * size)
    wanted = [True] * new + [False] * (size - new)
    chance.shuffle(wanted)
    for number, is_new in enumerate(wanted):
        (kind,) = chance.choices(list(WEIGHTS), WEIGHTS.values())
        while True:
            scene = random_scene(chance, kind)
            held = any(map(held_out, scene.combinations))
            if held == is_new and scene.facts not in taken:
                break
        taken.add(scene.facts)
        items = layout.items(scene)
        captions = sentences.write(scene, chance, CAPTIONS)
        yield Example(f"{split}_{number:04}.jpg", scene, items, captions)


def held_out(combination: str) -> bool:
    """Return whether a combination is kept for valid and test."""
    return zlib.crc32(combination.encode()) % 6 == 0
