import pytest

from tests.data_pipelines.sentiment.tools import table, texts


@pytest.fixture
def folder(tmp_path):
    """Three files of 60, 20 and 30 texts."""
    place = tmp_path / "reviews"
    place.mkdir()
    for seed, (split, count) in enumerate(
        (("train", 60), ("valid", 20), ("test", 30))
    ):
        table(place / f"{split}.csv", texts(count, seed))
    return place
