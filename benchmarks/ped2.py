"""Abnormal frames of Ped2 by cross-validation, by every cell and without one.

    python -m benchmarks.ped2 --data-path ped2 --cells gru lstm --seeds 0

The 28 clips are dealt out to seven parts by their names, so that each part has
clips of a walkway with and without cyclists, skaters and carts. Each part is
labelled by networks that were trained on the six others, and the frames of all
parts are scored together: the ROC AUC of all clips, of those with abnormal
frames, and, as a mean, of each clip that has frames of both kinds, where
nothing but the moment can tell them apart.

A frame is described by how its pixels move: the optical flow to the frame
before (Lucas and Kanade, 1981, "An iterative image registration technique with
an application to stereo vision"), in cells of 15 x 15 pixels, and of each
quantity the largest and the third largest value, the mean and the deviation
over the cells. So `frame_only` knows the motion, but no frame before.

Every choice is made inside the training parts: of a part's six training parts
two at a time are labelled by networks trained on the other four; the recipe
with the highest AUC, the mean of `frame_only` and of `gru` offline, trains
all networks, and the width with which `frame_only` is best that of its median
filter.

Letters of shapes: T frames, H height, W width, Q quantities, C features.
"""

import argparse
import dataclasses
import functools
import os
import statistics
import types
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from scipy import ndimage
from sklearn import metrics

import rnn_layers
from apps.common import cli, graph, runs, tables
from apps.common.optimizer import averaged
from apps.video_labeling import model
from apps.video_labeling.baselines import WIDTHS, filtered
from apps.video_labeling.config import Config
from benchmarks import run_log
from data_pipelines import video_labeling as pipeline
from data_pipelines.files.atomic import replacing

CELLS = ["gru", "lstm", "peephole_lstm", "coupled_lstm"]
FRAME_ONLY = "frame_only"
PARTS = 7
SIZE, CELL = (120, 180), 15
# Changes when the features do.
VERSION = 1

# Differences from SAME; one of them is chosen for each part.
RECIPES = {
    "10 passes": {"epochs": 10},
    "25 passes": {"epochs": 25},
    "10 passes, --refine 1": {"epochs": 10, "refine": 1},
    "25 passes, --refine 1": {"epochs": 25, "refine": 1},
}
SAME = Config(
    motion="none",
    vector_size=32,
    units=32,
    chunk=50,
    batch_size=16,
    dropout=0.3,
    learning_rate=3e-3,
    averaging=0.95,
)

# The app normalizes the features of a frame together; beside as many that
# never change it still sees how large they are.
ANCHORS = np.array([2.0, -2.0], "float32")


def flow_features(frames):
    """Return the features of a clip, `(T, H, W, 3)` to `(T, C)`.

    With g a grey picture and d its difference to the one before, the flow is
    the least-squares solution of g_x u + g_y v = -d around each pixel, drawn
    towards zero where the picture says little.
    """
    grey = np.stack([frame.mean(axis=-1) for frame in frames]) / 255
    grey = ndimage.gaussian_filter(grey.astype("float32"), (0, 1, 1))
    before = np.concatenate([grey[:1], grey[:-1]])
    d, (gy, gx) = grey - before, np.gradient((grey + before) / 2, axis=(1, 2))
    xx, xy, yy, xd, yd = (
        _around(x) for x in (gx * gx, gx * gy, gy * gy, gx * d, gy * d)
    )
    xx, yy = xx + 2e-5, yy + 2e-5
    determinant = xx * yy - xy * xy
    u = (xy * yd - yy * xd) / determinant  # T H W
    v = (xy * xd - xx * yd) / determinant
    speed, change = np.hypot(u, v), _around(np.abs(d))
    moves = change > 0.01
    total = _cells(change, np.sum) + 1e-3 * CELL**2

    def weighted(x):
        return _cells(change * x, np.sum) / total

    edges = np.hypot(gx, gy)
    angles = np.arctan2(gy, gx) % np.pi * 4 / np.pi
    angles = np.minimum(angles.astype(int), 3)
    quantities = [
        20 * _cells(change, np.mean),
        10 * _cells(change, np.max),
        _cells(moves, np.mean),
        _cells(speed, np.mean),
        _cells(speed, np.max),
        *(weighted(x) for x in (u, v, speed, speed**2, grey)),
        *(_cells(moves & (speed > s), np.mean) for s in (0.7, 1.2, 2.0)),
        *(10 * weighted(edges * (angles == k)) for k in range(4)),
    ]
    x = np.sort(np.stack(quantities, -1).reshape(len(grey), -1, 17), axis=1)
    pooled = [x[:, -1], x[:, -3], x.mean(axis=1), x.std(axis=1)]
    return np.concatenate(pooled, axis=-1).astype("float32")  # T C


def _around(x):
    return ndimage.gaussian_filter(x, (0, 2.5, 2.5), truncate=3)


def _cells(x, pool):
    rows, columns = (side // CELL for side in SIZE)
    x = x.reshape(len(x), rows, CELL, columns, CELL)
    return pool(x, axis=(2, 4))  # T rows columns


@functools.cache
def clips(data_path, cache_path):
    """Return the clips in the order of their parts, and their features.

    Returns:
        List of `pipeline.Video`, and of features `(T, C)`; those of clip k
        are in part k % PARTS.
    """
    data = pipeline.make_datasets(
        "files",
        data_path,
        cache_path=cache_path,
        frame_size=SIZE,
        chunk=SAME.chunk,
        batch_size=SAME.batch_size,
        seed=0,
    )
    videos = [
        video
        for split in pipeline.SPLITS
        for video in getattr(data, split).videos
    ]
    normal = data.labels.index("normal")
    # Clips without abnormal frames come first: all parts get as many.
    videos.sort(key=lambda v: ((v.labels != normal).any(), v.name))
    folder = Path(cache_path, f"ped2-{VERSION}")
    folder.mkdir(parents=True, exist_ok=True)
    features = []
    for video in videos:
        path = folder / f"{video.stored.content}.npy"
        if not path.exists():
            with replacing(path, ".npy") as file:
                np.save(file, flow_features(video.frames))
        features.append(np.load(path))
    return videos, features


def normalized(features, train):
    """Return features by mean and deviation of the training clips, and ANCHORS.

    What training has never seen to vary counts as ten deviations at most.

    Args:
        features: Of all clips, `(T, C)` each.
        train: Numbers of the training clips.
    """
    every = np.concatenate([features[k] for k in train])
    mean, deviation = every.mean(axis=0), every.std(axis=0) + 1e-6
    anchors = np.tile(ANCHORS, len(mean) // 2)
    return [
        np.concatenate(
            [
                np.clip((x - mean) / deviation, -10, 10),
                np.tile(anchors, (len(x), 1)),
            ],
            axis=-1,
        )[:, None].astype("float16")  # T 1 2C
        for x in features
    ]


class Trainer:
    """A network that is trained again and again from the same start.

    Args:
        network: FRAME_ONLY or a cell and a mode.
        recipe: A name of RECIPES.
        seed: Random seed.
        videos: All clips.
        features: Of all clips.
    """

    def __init__(self, network, recipe, seed, videos, features):
        runs.make_deterministic(seed, False)
        cell, mode = network.split() if " " in network else ("gru", "live")
        self.config = dataclasses.replace(
            SAME, cell=cell, mode=mode, seed=seed, **RECIPES[recipe]
        )
        self.videos, self.features = videos, features
        build = model.build_frame_only if network == FRAME_ONLY else model.build
        width = 2 * features[0].shape[-1]
        self.trained, self.labeler = build(self.config, (1, width), 2)
        frames = sum(map(len, videos)) * (PARTS - 1) // PARTS
        rows = self.config.batch_size * self.config.chunk
        self.steps = self.config.epochs * -(-frames // rows)
        shares = np.full(2, 0.5)  # does nothing: no label weighs more
        model.compile_model(self.trained, self.config, self.steps, shares)
        self.trained.optimizer.build(self.trained.trainable_variables)
        self.variables = [
            *self.trained.variables, *self.trained.optimizer.variables,
        ]  # fmt: skip
        self.start = [v.numpy() for v in self.variables]
        self.label = graph.compile_once(
            lambda x: self.labeler(x, training=False),
            ((1, None, 1, width), "float32"),
        )

    def __call__(self, train, test):
        """Train on some clips; return the probabilities `(T, 2)` of others."""
        for variable, value in zip(self.variables, self.start, strict=True):
            variable.assign(value)
        values = normalized(self.features, train)
        split = pipeline.Split(
            [
                dataclasses.replace(
                    self.videos[k],
                    stored=types.SimpleNamespace(values=values[k]),
                )
                for k in train
            ],
            self.config.batch_size,
            self.config.chunk,
            self.config.seed,
        )
        self.trained.fit(
            split.dataset(training=True).map(model.training_batch),
            steps_per_epoch=self.steps,
            shuffle=False,
            verbose=0,
        )
        with averaged(self.trained):
            return [
                self.label(values[k][None].astype("float32"))[0].numpy()
                for k in test
            ]


def members(*parts):
    """Return the numbers of the clips in some parts."""
    return [k for k in range(4 * PARTS) if k % PARTS in parts]


def inner_splits(part):
    """Yield parts to train on and to label, inside the six that are not one."""
    rest = [other for other in range(PARTS) if other != part]
    for start in range(0, len(rest), 2):
        labelled = rest[start : start + 2]
        yield [p for p in rest if p not in labelled], labelled


def measured(settings, cache_path):
    """Train all parts of one network; return what it says of the clips.

    With one recipe for all parts these are the inner ones, a dict of clips for
    each part; with a recipe for each part those of the parts themselves.
    """
    videos, features = clips(settings["data_path"], cache_path)
    trainers = {}

    def trainer(recipe):
        if recipe not in trainers:
            name, seed = settings["network"], settings["seed"]
            trainers[recipe] = Trainer(name, recipe, seed, videos, features)
        return trainers[recipe]

    def abnormal(recipe, train, test):
        """Train on parts and label others: dict of clip -> probabilities."""
        index = next(
            label
            for video in videos
            for label in video.labels
            if label != videos[0].labels[0]
        )
        train, test = members(*train), members(*test)
        labelled = trainer(recipe)(train, test)
        return {
            str(k): [round(float(p), 6) for p in probabilities[:, index]]
            for k, probabilities in zip(test, labelled, strict=True)
        }

    result = {}
    for part in range(PARTS):
        if "recipe" in settings:
            result[str(part)] = {}
            for train, test in inner_splits(part):
                result[str(part)] |= abnormal(settings["recipe"], train, test)
        else:
            train = [other for other in range(PARTS) if other != part]
            result |= abnormal(settings["recipes"][part], train, [part])
    return {"abnormal": result}


def area(labelled, videos):
    """Return the ROC AUC of clips, a dict of clip -> probabilities."""
    normal = videos[0].labels[0]
    y = np.concatenate([videos[int(k)].labels != normal for k in labelled])
    return metrics.roc_auc_score(y, np.concatenate([*labelled.values()]))


def areas(labelled, videos):
    """Return the three scores of clips."""
    normal = videos[0].labels[0]

    def some(choice):
        return {
            k: p
            for k, p in labelled.items()
            if choice(videos[int(k)].labels != normal)
        }

    mixed = some(lambda abnormal: abnormal.any() and not abnormal.all())
    return {
        "all clips": area(labelled, videos),
        "clips with abnormal frames": area(some(np.any), videos),
        "within a clip": statistics.mean(
            area({k: p}, videos) for k, p in mixed.items()
        ),
    }


def smoothed(labelled, width):
    """Return the same after a median filter."""
    clips = [np.array(p)[:, None] for p in labelled.values()]
    medians = filtered(clips, width)
    return {k: p[:, 0] for k, p in zip(labelled, medians, strict=True)}


def chosen(inner, videos):
    """Return a recipe and a width for each part, by its training parts alone.

    `inner` are the rows of `measured` with one recipe.
    """
    recipes, widths = [], []
    for part in map(str, range(PARTS)):
        labelled = {}  # recipe -> network -> clips
        for row in inner:
            s = row["settings"]
            of_recipe = labelled.setdefault(s["recipe"], {})
            of_recipe[s["network"]] = row["abnormal"][part]
        means = {
            recipe: statistics.mean(area(p, videos) for p in networks.values())
            for recipe, networks in labelled.items()
        }
        recipes.append(max(means, key=means.get))
        frames = labelled[recipes[-1]][FRAME_ONLY]
        filters = {w: area(smoothed(frames, w), videos) for w in WIDTHS}
        widths.append(max(filters, key=filters.get))
    return recipes, widths


def table(rows, videos, widths, left_out=()):
    """Return means over seeds as a table, one line a network.

    Clips whose names are in `left_out` are not scored.
    """
    every = {}
    for row in rows:
        name = row["settings"]["network"]
        labelled = {
            k: p
            for k, p in row["abnormal"].items()
            if videos[int(k)].name not in left_out
        }
        every.setdefault(name, []).append(areas(labelled, videos))
        if name == FRAME_ONLY:
            medians = {
                k: smoothed({k: p}, widths[int(k) % PARTS])[k]
                for k, p in labelled.items()
            }
            every.setdefault(f"{name}_filtered", []).append(
                areas(medians, videos)
            )
    head = list(next(iter(every.values()))[0])
    lines = [
        [name, *(spread([a[column] for a in of_seeds]) for column in head)]
        for name, of_seeds in every.items()
    ]
    return tables.markdown(["network", *head], lines)


def spread(values):
    """Return the mean over seeds, and with several the standard deviation."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def line(row):
    """Return what is printed of one network and seed."""
    s = row["settings"]
    inner = f", {s['recipe']}, inside training" if "recipe" in s else ""
    return f"{s['network']}, seed {s['seed']}{inner}"


def parse(arguments=None):
    """Return the flags."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = rnn_layers.names()
    parser.add_argument("--data-path", required=True, help="folder of Ped2")
    parser.add_argument("--cache-path", default="data/cache")
    parser.add_argument("--cells", nargs="+", default=CELLS, choices=names)
    parser.add_argument(
        "--leave-out", nargs="+", default=[], help="clips that are not scored"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--json", default="runs/bench/ped2.json")
    return parser.parse_args(arguments)


def main(options):
    """Run what is not in the JSON file yet; print and write all."""
    where = {"data_path": options.data_path}
    measure = functools.partial(measured, cache_path=options.cache_path)
    inner = run_log.runs(
        options.json,
        [
            {"network": network, "seed": 0, "recipe": recipe, **where}
            for network in (FRAME_ONLY, "gru offline")
            for recipe in RECIPES
            if network != FRAME_ONLY or "refine" not in RECIPES[recipe]
        ],
        measure,
        line,
    )
    # Refining concerns no network that sees single frames.
    inner += [
        {**row, "settings": {**row["settings"], "recipe": recipe}}
        for row in inner
        for recipe, more in RECIPES.items()
        if row["settings"]["network"] == FRAME_ONLY
        and "refine" in more
        and more["epochs"] == RECIPES[row["settings"]["recipe"]]["epochs"]
    ]
    videos, _ = clips(options.data_path, options.cache_path)
    recipes, widths = chosen(inner, videos)
    networks = [
        FRAME_ONLY,
        *(
            f"{cell} {mode}"
            for cell in options.cells
            for mode in ("live", "offline")
        ),
    ]
    rows = run_log.runs(
        options.json,
        [
            {"network": network, "seed": seed, "recipes": recipes, **where}
            for seed in options.seeds
            for network in networks
        ],
        measure,
        line,
    )
    print("\nchosen inside the training parts:")
    for part, choice in enumerate(zip(recipes, widths, strict=True)):
        print(f"part {part}: {choice[0]}, median over {choice[1]} frames")
    print(
        f"\n{table(rows, videos, widths, options.leave_out)}\n\n{options.json}"
    )


if __name__ == "__main__":
    cli.main(lambda: main(parse()))
