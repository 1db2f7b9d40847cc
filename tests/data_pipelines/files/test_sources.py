from types import SimpleNamespace

import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.files.sources import Request


def write(folder, sizes):
    for split, size in sizes.items():
        (folder / f"{split}.txt").write_text("x" * size)


GENERATOR = SimpleNamespace(
    VERSION=3, SIZES={"train": 20}, SMALL_SIZES={"train": 2}, write=write
)


@pytest.mark.parametrize("small", [False, True])
def test_a_demo_is_written_once_for_each_version_and_size(tmp_path, small):
    request = Request(None, tmp_path, False, True)
    demo = request.demo("news", GENERATOR, small)
    name = "news-3-small" if small else "news-3"
    assert demo == request._replace(data_path=tmp_path / "demo" / name)
    content = (demo.data_path / "train.txt").read_text()
    assert content == "x" * (2 if small else 20)

    def never(folder, sizes):
        raise AssertionError("written again")

    again = SimpleNamespace(**{**vars(GENERATOR), "write": never})
    assert request.demo("news", again, small) == demo


def test_a_demo_reads_no_files_of_the_users(tmp_path):
    with pytest.raises(DataError) as caught:
        Request("mine", tmp_path, False, True).demo("news", GENERATOR, False)
    assert str(caught.value) == (
        "demo: takes no --data-path FOLDER; to read your own files add "
        "--dataset files"
    )
    assert not list(tmp_path.iterdir())
