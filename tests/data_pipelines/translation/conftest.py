import pytest

from tests.data_pipelines.translation.tools import sentences, write


@pytest.fixture
def folder(tmp_path):
    """Aligned files of 600, 40 and 50 pairs."""
    place = tmp_path / "pairs"
    place.mkdir()
    for seed, (split, count) in enumerate(
        (("train", 600), ("valid", 40), ("test", 50))
    ):
        write(place, split, sentences(count, seed))
    return place
