"""Pictures to captions with a finished run."""

import json
import os
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from apps.captioning import evaluate, picture_encoder, predict
from apps.captioning.config import Config
from apps.common import cli
from apps.common.search import Search
from data_pipelines.vision import images
from tests.apps.squares import (
    normalized,
    opened,
    options,
    pixels,
    write_network,
    written,
)
from tests.apps.tools import jittered

NUMBERS = [100, 105, 111]


GREEDY = Search()


def test_predict_finds_pictures_in_folders(tmp_path):
    names = ["b.png", "a/z.PNG", "a/b/y.jpeg", "c.webp", "a.gif"]
    for name in [*names, "notes.txt", "a/captions.csv"]:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    single = tmp_path / "notes.txt"  # named by the user, so it is tried
    found = list(predict.picture_files([str(single), str(tmp_path)]))
    sorted_names = ["a/b/y.jpeg", "a/z.PNG", "a.gif", "b.png", "c.webp"]
    assert found == [single, *(tmp_path / name for name in sorted_names)]


def test_predict_reads_no_hidden_files(tmp_path):
    for name in ("a.png", "b/._c.png", ".d/e.png", "__MACOSX/f.png", ".g.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "Thumbs.db").touch()
    assert list(predict.picture_files([str(tmp_path)])) == [tmp_path / "a.png"]
    # As a shell would, which leaves out what begins with a dot.
    inside = [
        str(tmp_path / name) for name in ("__MACOSX", "a.png", "Thumbs.db")
    ]
    assert list(predict.picture_files(inside)) == [tmp_path / "a.png"]
    named = str(tmp_path / ".g.png")
    assert list(predict.picture_files([named])) == [tmp_path / ".g.png"]


def test_predict_describes_files_and_folders(trained, quick, tmp_path, capsys):
    (single,) = written(tmp_path, [100])
    inside = written(tmp_path / "more", [105, 111])
    predict.main(
        options(trained, pictures=(str(single), str(tmp_path / "more")))
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        str(path) for path in (single, *inside)
    ]
    right = [
        line.split("\t")[1] in normalized(number)
        for line, number in zip(lines, NUMBERS, strict=True)
    ]
    assert any(right)


def test_predict_leaves_out_what_it_cannot_read(
    trained, quick, tmp_path, capsys
):
    (good,) = written(tmp_path, [100])
    (tmp_path / "torn.png").write_bytes(good.read_bytes()[:90])
    cli.main(lambda: predict.main(options(trained, pictures=(str(tmp_path),))))
    out, error = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert out.startswith(f"{good}\t")
    (line,) = error.splitlines()
    assert line.startswith(f"left out: {tmp_path}/torn.png: is cut off")


def test_predict_ends_with_2_if_no_picture_can_be_read(
    trained, quick, tmp_path, capsys
):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.jpg").write_text("no picture")
    page, file = tmp_path / "page.html", tmp_path / "c.json"
    chosen = options(
        *(trained,), pictures=(str(tmp_path),), page=str(page), json=str(file)
    )
    with pytest.raises(SystemExit) as ended:
        cli.main(lambda: predict.main(chosen))
    assert ended.value.code == 2
    out, error = capsys.readouterr()
    assert out == ""
    lines = error.splitlines()
    assert [line[:9] for line in lines[:2]] == ["left out:"] * 2
    (line,) = lines[2:]
    assert line.startswith("error: 2 of 2 pictures (100.0%) cannot be read")
    assert not page.exists()
    assert not file.exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (dict(pictures=("gone.png",)), "gone.png: there is no such file or"),
        (dict(pictures=("EMPTY",)), r"no picture in it; expected \.jpg, "),
        (dict(), "no picture; give files or folders"),
        (dict(pictures=("A",), beam=2, n_best=3), "--n-best 3: at most --beam"),
        (dict(pictures=("A",), sample=True, n_best=2), "drop --n-best"),
        (dict(pictures=("A",), sample=True, mbr_samples=3), "drop it, or"),
        (dict(pictures=("A",), beam=1, mbr_samples=3), "drop it, or"),
        (dict(pictures=("A",), run="z"), "no run 'z'; the runs are: x"),
    ],
)
def test_predict_refuses(trained, quick, tmp_path, more, message):
    (tmp_path / "empty").mkdir()
    (path,) = written(tmp_path / "pictures", [100])
    real = {"EMPTY": str(tmp_path / "empty"), "A": str(path)}
    if "pictures" in more:
        given = tuple(real.get(name, name) for name in more["pictures"])
        more = more | {"pictures": given}
    with pytest.raises(cli.UserError, match=message):
        predict.main(options(trained, **more))


def test_predict_refuses_files_that_do_not_belong_together(trained, tmp_path):
    copy = tmp_path / "captioning" / "x"
    shutil.copytree(trained[0], copy)
    (copy / "digests.json").unlink()  # as in a run of before them
    with (copy / "vocabulary.txt").open("a") as file:
        file.write("▁more\n")
    (path,) = written(tmp_path / "pictures", [100])
    with pytest.raises(cli.UserError, match=r"for another vocabulary\.txt"):
        predict.main(
            predict.Options(pictures=(str(path),), runs_path=str(tmp_path))
        )


def test_predict_n_best_with_scores(trained, quick, tmp_path, capsys):
    (path,) = written(tmp_path, [100])
    predict.main(
        options(trained, pictures=(str(path),), n_best=3, beam=3, scores=True)
    )
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == [str(path)] * 3
    found = [float(row[1]) for row in rows]
    assert found == sorted(found, reverse=True)
    assert len({row[2] for row in rows}) == 3


def test_predict_writes_a_page_and_json(trained, quick, tmp_path, capsys):
    (path,) = written(tmp_path, [100])
    # A name that is not UTF-8, as old cameras and archives write them.
    odd = tmp_path / os.fsdecode(b"\xff.png")
    shutil.copy(path, odd)
    page, file = tmp_path / "page.html", tmp_path / "found.json"
    predict.main(
        options(
            *(trained,),
            pictures=(str(path), str(odd)),
            **dict(beam=3, n_best=2, page=str(page), json=str(file)),
        )
    )
    out, error = capsys.readouterr()
    assert error.splitlines() == [f"wrote {file}", f"wrote {page}"]
    first, second = json.loads(file.read_text())
    assert [first["image"], second["image"]] == [str(path), str(odd)]
    assert first["captions"] == second["captions"]
    assert [row["caption"] for row in first["captions"]] == [
        line.split("\t")[1] for line in out.splitlines()[:2]
    ]
    html = page.read_text()
    assert html.count("<article>") == 2
    found = re.findall(r'(?:src|href)="([^"]*)"|url\(', html)
    assert len(found) >= 4  # each picture, and where the decoder looked
    assert all(a.startswith(("data:image/", "#picture")) for a in found)


def test_predict_samples_by_seed(trained, quick, tmp_path, capsys):
    written(tmp_path, range(100, 108))

    def draw(seed):
        predict.main(
            options(
                *(trained,),
                pictures=(str(tmp_path),),
                **dict(sample=True, temperature=5.0, seed=seed),
            )
        )
        return capsys.readouterr().out

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.parametrize("drawn", [0, 4])
def test_a_batch_equals_its_pictures(captioner, drawn):
    search = Search(3, 1.0, drawn, n_best=3)
    inputs = np.stack([pixels(number) for number in NUMBERS])
    together = captioner.decode(inputs, search)
    for row, best in zip(inputs, together, strict=True):
        (alone,) = captioner.decode(row[None], search)
        assert [c.text for c in alone] == [c.text for c in best]
        found = [caption.score for caption in best]
        np.testing.assert_allclose([c.score for c in alone], found, rtol=1e-4)
        assert found == sorted(found, reverse=True)
        assert len({tuple(caption.tokens) for caption in best}) == 3


def test_attention_is_a_grid_for_each_word(captioner):
    inputs = np.stack([pixels(number) for number in NUMBERS])
    captions = [best[0] for best in captioner.decode(inputs, GREEDY)]
    attention = captioner.attention(inputs, captions)
    for caption, (words, weights) in zip(captions, attention, strict=True):
        assert " ".join(words) == caption.text
        # A region of the small network is 8 x 8 pixels.
        grid = (inputs.shape[1] // 8, inputs.shape[2] // 8)
        assert weights.shape == (len(words), *grid)
        np.testing.assert_allclose(weights.sum((1, 2)), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "name", ["trained", pytest.param("frozen", marks=pytest.mark.slow)]
)
def test_files_are_described_as_splits_are(name, request):
    run = request.getfixturevalue(name)
    run, captioner = opened(run if name == "frozen" else run[0])
    config = run.record["config"]
    data = evaluate.datasets(
        captioner, config["dataset"], config["data_path"] or None
    )
    search = Search(3, 1.0, 4)
    expected = evaluate.describe(captioner, data.test, search)
    paths = [picture.path for picture in data.test.pictures]
    captions = captioner(paths, search)
    for (best,), other in zip(captions, expected, strict=True):
        assert best.text == other.text
        assert best.score == pytest.approx(other.score, abs=1e-3)


def test_a_list_of_pictures_is_searched_as_in_training(captioner, tmp_path):
    paths = written(tmp_path, NUMBERS)
    as_trained = Search(3, captioner.config.length_penalty)
    for ours, expected in zip(
        captioner(paths), captioner(paths, as_trained), strict=True
    ):
        assert [c.text for c in ours] == [c.text for c in expected]
    (tmp_path / "torn.png").write_bytes(b"")
    with pytest.raises(images.PictureError, match=r"torn\.png: the file is"):
        captioner([*paths, tmp_path / "torn.png"])


def test_one_loop_decodes_the_mean_of_several_runs(
    trained, captioner, tmp_path
):
    run = opened(trained[0])[0]
    other = jittered(run, tmp_path)
    both = predict.Predictor.of_runs([run, other], eager=True)
    inputs = both.model_inputs(np.stack([pixels(0), pixels(5)]))
    member = predict.Predictor.of_run(other, eager=True)
    captions = both.decode(inputs, GREEDY)
    for row, (best,) in zip(inputs, captions, strict=True):
        pairs = [row[None], np.array([[2, *best.tokens[:-1]]])]
        logs = [
            tf.nn.log_softmax(np.array(one.model(pairs))[0]).numpy()
            for one in (captioner, member)
        ]
        assert np.abs(logs[0] - logs[1]).max() > 0.01
        mean = tf.nn.log_softmax(np.mean(logs, axis=0)).numpy()
        scores = mean[np.arange(len(best.tokens)), best.tokens]
        assert best.score == pytest.approx(scores.sum(), abs=1e-3)
    ((words, weights), _) = both.attention(inputs, [c[0] for c in captions])
    np.testing.assert_allclose(
        weights.reshape(len(words), -1).sum(axis=1), 1, atol=1e-4
    )


def test_runs_of_other_encoders_are_no_ensemble(trained, tmp_path):
    copy = tmp_path / "captioning" / "frozen"
    shutil.copytree(trained[0], copy)
    (copy / "digests.json").unlink()
    network = write_network(tmp_path / "network.keras")
    encoder = picture_encoder.build(Config(encoder=network, grid=4))
    encoder.frozen.model.save(copy / "encoder.keras")
    with pytest.raises(
        cli.UserError, match=r"does not fit .* by other encoders"
    ):
        predict.Predictor.of_runs(
            [opened(trained[0])[0], opened(copy)[0]], eager=True
        )
