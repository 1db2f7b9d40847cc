"""Cross-validation: its parts, its features, its choices, its table."""

import types

import numpy as np
import pytest
from scipy import ndimage

from benchmarks import ped2

COUNT = 4 * ped2.PARTS


def clips(lengths, abnormal):
    return [
        types.SimpleNamespace(
            labels=np.where(np.arange(n) < k, 1, 0), name=str(number)
        )
        for number, (n, k) in enumerate(zip(lengths, abnormal, strict=True))
    ]


def test_every_clip_is_in_one_part_and_none_trains_what_labels_it():
    parts = [ped2.members(part) for part in range(ped2.PARTS)]
    assert sorted(np.concatenate(parts)) == list(range(COUNT))
    for part in range(ped2.PARTS):
        labelled = []
        for train, test in ped2.inner_splits(part):
            assert not {part, *test} & set(train)
            assert len(train) + len(test) == ped2.PARTS - 1
            labelled += test
        assert sorted([*labelled, part]) == list(range(ped2.PARTS))


def test_the_speed_of_what_moves_is_in_the_features():
    random = np.random.default_rng(0)
    picture = ndimage.gaussian_filter(random.uniform(size=ped2.SIZE), 2)
    picture = (picture - picture.min()) / np.ptp(picture) * 255
    for speed in (0, 1, 2):
        frames = np.stack([np.roll(picture, speed * t, 1) for t in range(4)])
        frames = np.repeat(frames[..., None], 3, -1).astype("uint8")
        x = ped2.flow_features(frames).reshape(4, 4, 17)  # T, pooled, Q
        assert np.abs(x[0, :, :4]).max() < 0.01  # nothing is before the first
        mean_speed, mean_u = x[1:, 2, 3], x[1:, 2, 5]
        assert mean_speed == pytest.approx(speed, abs=0.3)
        assert mean_u == pytest.approx(speed, abs=0.3)


def test_features_are_normalized_by_training_clips_alone():
    random = np.random.default_rng(0)
    features = [random.normal(size=(50, 4)) + 9 for _ in range(3)]
    features[2][:, 0] = 1e6
    values = ped2.normalized(features, [0, 1])
    own = np.concatenate(values[:2])[:, 0, :4].astype("float32")
    np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(own.std(axis=0), 1, atol=1e-2)
    assert (values[2][:, 0, 0] == 10).all()
    assert (values[2][:, 0, 4:] == [2, -2, 2, -2]).all()


def test_areas_are_shares_of_pairs_in_the_right_order():
    videos = clips([5, 6, 4], [0, 3, 4])
    random = np.random.default_rng(0)
    labelled = {str(k): random.uniform(size=len(v.labels)) for k, v in
                enumerate(videos)}  # fmt: skip

    def share(clips):
        p = np.concatenate([labelled[str(k)] for k in clips])
        y = np.concatenate([videos[k].labels for k in clips])
        return np.mean(p[y == 1][:, None] > p[y == 0])

    expected = {
        "all clips": share([0, 1, 2]),
        "clips with abnormal frames": share([1, 2]),
        "within a clip": share([1]),
    }
    assert ped2.areas(labelled, videos) == pytest.approx(expected)


def inner_rows(videos, good):
    """Rows in which a recipe is right where `good` says so, else wrong."""
    rows = []
    for network in (ped2.FRAME_ONLY, "gru offline"):
        for recipe in ("one", "other"):
            abnormal = {}
            for part in range(ped2.PARTS):
                right = good(recipe, part)
                abnormal[str(part)] = {
                    str(k): (v.labels if right else 1 - v.labels).astype(float)
                    for k, v in enumerate(videos)
                    if k % ped2.PARTS != part
                }
            settings = {"network": network, "recipe": recipe}
            rows.append({"settings": settings, "abnormal": abnormal})
    return rows


def test_each_part_is_chosen_for_by_its_own_training_parts():
    videos = clips([40] * COUNT, [0, 10] * (COUNT // 2))
    rows = inner_rows(
        videos, lambda recipe, part: (recipe == "one") == (part < 3)
    )
    recipes, widths = ped2.chosen(rows, videos)
    assert recipes == ["one"] * 3 + ["other"] * 4
    assert widths == [1] * ped2.PARTS  # no filter, where all is right


def test_the_table_has_the_filter_beside_the_network():
    videos = clips([40] * COUNT, [0, 20] * (COUNT // 2))
    random = np.random.default_rng(0)
    rows = []
    for seed in (0, 1):
        abnormal = {
            str(k): v.labels + 2 * random.normal(size=len(v.labels))
            for k, v in enumerate(videos)
        }
        settings = {"network": ped2.FRAME_ONLY, "seed": seed}
        rows.append({"settings": settings, "abnormal": abnormal})
    lines = ped2.table(rows, videos, [9] * ped2.PARTS).splitlines()[2:]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    assert [row[1] for row in cells] == ["frame_only", "frame_only_filtered"]
    plain, smooth = (float(row[2].split(" ± ")[0]) for row in cells)
    own = [ped2.areas(row["abnormal"], videos)["all clips"] for row in rows]
    assert plain == pytest.approx(np.mean(own), abs=5e-4)
    assert smooth > plain + 0.1
    # Without the clips that have no abnormal frames.
    normal = [str(k) for k in range(0, COUNT, 2)]
    line = ped2.table(rows, videos, [9] * ped2.PARTS, normal).splitlines()[2]
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[2] == cells[3]


@pytest.mark.slow
def test_a_network_begins_anew_for_each_part(monkeypatch):
    monkeypatch.setitem(ped2.RECIPES, "tiny", {"epochs": 2})
    random = np.random.default_rng(0)
    features = [random.normal(size=(30, 4)) for _ in range(COUNT)]
    videos = [
        ped2.pipeline.Video(str(n), None, (x[:, 0] > 0).astype("int32"), None)
        for n, x in enumerate(features)
    ]
    trainer = ped2.Trainer("gru live", "tiny", 0, videos, features)
    one, other, again = (trainer(range(k, k + 9), [20]) for k in (0, 9, 0))
    np.testing.assert_array_equal(one, again)
    assert one[0].shape == (30, 2)
    assert np.abs(np.subtract(one, other)).max() > 1e-3
