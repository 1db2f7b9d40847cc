"""Examples after each epoch: the file, and TensorBoard."""

import html
import io
import re
import types

import markdown
import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

from apps.common import runs, samples


def png():
    buffer = io.BytesIO()
    Image.new("RGB", (2, 3)).save(buffer, "PNG")
    return buffer.getvalue()


DATA = types.SimpleNamespace(valid=range(5))


class Numbers(samples.Samples):
    columns = ("x", "y")
    count = 2

    def lines(self, epoch):
        return [("a|b", f"epoch {epoch + 2}"), ("c", "d")]

    def pictures(self, epoch):
        return {"picture": png()}


@pytest.fixture
def run(tmp_path):
    return runs.Run("sentiment", tmp_path, {})


def test_the_file_has_every_epoch_once_even_after_a_kill(run):
    first = Numbers(run, DATA, None)
    for epoch in range(3):
        first.on_epoch_end(epoch)
    whole = run.file("samples.txt").read_text()
    assert whole.count("epoch 2\n") == 2
    blocks = whole.split("\n\n")
    assert len(blocks) == 3 + 1  # nothing is behind the last one
    assert blocks[0] == "epoch 1\na|b\tepoch 2\nc\td"
    again = Numbers(run, DATA, None)  # killed before epoch 3 was saved
    again.on_epoch_end(2)
    assert run.file("samples.txt").read_text() == whole
    first.on_train_end()
    again.on_train_end()


def test_the_rows_are_some_of_the_validation_split(run):
    callback = Numbers(run, DATA, None)
    assert callback.rows == [0, 4]
    callback.on_train_end()


def test_tensorboard_has_a_table_and_the_pictures(run):
    callback = Numbers(run, DATA, None)
    callback.on_epoch_end(0)
    callback.on_train_end()
    events = event_accumulator.EventAccumulator(str(run.file("validation")))
    events.Reload()
    assert {"samples", "picture"} <= set(events.Tags()["tensors"])
    (event,) = events.Tensors("samples")
    (text,) = event.tensor_proto.string_val
    assert text == b"* **x** a|b  \n  **y** epoch 2\n* **x** c  \n  **y** d"


def test_a_list_of_examples_shows_its_text_as_it_is():
    cells = ("<b>1.</b> *x* _y_ `z`", "# [a](b) \\ | ~~c~~ 1-2 a! + > {d}")
    written = samples.as_list(("one", ""), [cells])
    shown = markdown.markdown(
        written, extensions=["markdown.extensions.tables"]
    )
    words = html.unescape(re.sub("<[^>]*>", "", shown)).split("\n")
    assert [word.strip() for word in words if word.strip()] == [
        f"one {cells[0]}",
        cells[1],
    ]


@pytest.mark.parametrize(
    ("count", "most", "rows"),
    [(10, 3, [0, 4, 9]), (2, 5, [0, 1]), (1, 5, [0]), (5, 5, [0, 1, 2, 3, 4])],
)
def test_rows_are_spread_evenly(count, most, rows):
    assert samples.spread(count, most) == rows


def test_what_is_sure_and_wrong_comes_first():
    sure = [0.9, 0.6, 0.7, 0.8, 0.5]
    errors = [0, 1, 1, 0, 0]
    assert samples.instructive(sure, errors, 4) == [2, 1, 4, 3]
    # Half of them, if there are so many right ones.
    assert samples.instructive(sure, errors, 2) == [2, 4]
    assert samples.instructive(sure, errors, 9) == [2, 1, 4, 3, 0]
    assert samples.instructive(sure, [1] * 5, 2) == [0, 3]
    assert samples.instructive([0.5, 1], [0.9, 0.1], 1) == [0]
