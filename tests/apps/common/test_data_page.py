"""The page about data: what there is much of, and what is missing."""

import numpy as np

from apps.common import data_page
from apps.common.duplicates import Overlap


def test_classes_and_files_that_are_many_are_counted(tmp_path):
    classes = {
        "train": {f"class {n}": 100 - n for n in range(60)},
        "valid": {"class 3": 1},
        "test": {"new": 2},
    }
    described = data_page.Description(
        counts={"train": {"rows": 1234}},
        measured={"sizes": {"train": np.array([1, 1, 2]), "test": np.zeros(0)}},
        classes=classes,
        overlaps=[Overlap("test", "train", 7, 0, 1, [(0.9, "one", "two")])],
        left_out={f"{n}.jpg": "is empty" for n in range(60)},
    )
    data_page.write(tmp_path / "x.html", "X", described, ["a note"], {})
    text = (tmp_path / "x.html").read_text()
    assert text.count("<li>and 10 more</li>") == 1  # files
    assert "and 11 more" in text  # classes: 61, of which "new" is the last
    assert "1,234" in text
    assert "0.90" in text
    assert "class 49" in text
    assert "class 50" not in text
    assert list(described.leaks()) == [
        "0 of 7 examples of test are in train (0.0%), 1 more nearly so"
    ]


def test_a_class_that_train_lacks_is_marked(tmp_path):
    described = data_page.Description(
        {}, {}, {"train": {"a": 2}, "test": {"a": 1, "b": 1}}
    )
    data_page.write(tmp_path / "x.html", "X", described, [], {})
    text = (tmp_path / "x.html").read_text()
    assert '<tr class="wrong"><td>b (not in train)</td>' in text
    assert "<td>1 (50.0%)</td>" in text
