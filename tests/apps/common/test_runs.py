"""Run folders: names, resuming, refusing, loading."""

import contextlib
import dataclasses
import errno
import itertools
import json
import os
import types
import zipfile
from concurrent import futures

import keras
import pytest

from apps.common import (
    checkpoint,
    cli,
    digests,
    provenance,
    runs,
)
from apps.common.cli import UserError
from data_pipelines.files.errors import DataError


@dataclasses.dataclass(frozen=True)
class Config:
    runs_path: str
    name: str = ""
    dataset: str = "demo"
    cell: str = "gru"
    units: int = 4
    seed: int = 0


@pytest.fixture
def config(tmp_path):
    return Config(str(tmp_path))


def make_dataclass(config, **more):
    """A configuration with more fields."""
    fields = [
        (name, str, dataclasses.field(default=v)) for name, v in more.items()
    ]
    kind = dataclasses.make_dataclass(
        "More", fields, bases=(Config,), frozen=True
    )
    return kind(**dataclasses.asdict(config))


def start(config):
    return runs.start("sentiment", config)


def finish(run):
    run.file("metrics.json").write_text("{}")


def begin(run):
    run.file("backup").mkdir()
    run.file("backup/state.npz").write_bytes(b"")


def test_a_new_run_records_its_configuration(config, tmp_path):
    with start(config) as run:
        assert run.path == tmp_path / "sentiment" / "demo-gru"
        record = json.loads(run.file("config.json").read_text())
    assert record["config"] == dataclasses.asdict(config)
    assert record["app"] == "sentiment"
    assert record["command"].startswith("python -m apps.sentiment.train")
    assert record["versions"]["keras"] == keras.version()


def test_a_smoke_run_is_called_so(config, tmp_path):
    config = make_dataclass(config, preset="smoke")
    with start(config) as run:
        assert run.path == tmp_path / "sentiment" / "demo-gru-smoke"


def test_a_name_that_is_taken_becomes_another_aloud(config, capsys):
    config = dataclasses.replace(config, name="x")
    with start(config) as run:
        finish(run)
    assert capsys.readouterr().err == ""
    with start(config) as run:
        assert run.name == "x-2"
    assert capsys.readouterr().err == (
        "note: the run x is finished and stays; this one is x-2, to be used by"
        " --run x-2\n"
    )


def test_a_run_without_training_is_removed_whatever_the_error_was(config):
    for error in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(error), start(config) as run:
            raise error
        assert not run.path.exists()
    with contextlib.suppress(ZeroDivisionError), start(config) as run:
        begin(run)
        raise ZeroDivisionError
    assert run.path.exists()


def test_a_public_set_of_several_makes_a_plain_name(config, tmp_path):
    config = dataclasses.replace(config, dataset="ted/pt_to_en")
    with start(config) as run:
        assert run.path == tmp_path / "sentiment" / "ted-pt_to_en-gru"


def test_the_same_command_resumes_an_unfinished_run(config):
    with start(config) as first:
        begin(first)
    with start(config) as second:
        assert second.path == first.path


def test_a_finished_run_is_never_touched_again(config):
    with start(config) as first:
        finish(first)
    with start(config) as second:
        assert second.name == "demo-gru-2"
        finish(second)
    with start(config) as third:
        assert third.name == "demo-gru-3"


def test_other_settings_take_the_next_name_if_none_was_given(config):
    with start(config) as first:
        begin(first)
    with start(dataclasses.replace(config, units=8)) as second:
        assert second.name == "demo-gru-2"
        begin(second)
    with start(config) as third:
        assert third.name == first.name


def test_a_run_is_known_by_its_folder_however_that_was_named(config):
    with start(config) as first:
        begin(first)
    named = dataclasses.replace(config, name="demo-gru")
    with start(named) as second:
        assert second.path == first.path


def test_other_settings_under_a_given_name_are_refused(config):
    config = dataclasses.replace(config, name="x")
    with start(config) as run:
        begin(run)
    with (
        pytest.raises(UserError, match=r"--units was 4, is 8"),
        start(dataclasses.replace(config, units=8)),
    ):
        pass


@pytest.mark.parametrize("name", ["a/b", ".hidden", "../x"])
def test_a_name_is_a_plain_folder_name(config, name):
    with (
        pytest.raises(UserError, match="plain folder name"),
        start(dataclasses.replace(config, name=name)),
    ):
        pass


def test_a_run_in_use_is_refused(config):
    with (
        start(config),
        pytest.raises(UserError, match="by another process"),
        start(config),
    ):
        pass


def test_a_folder_that_is_no_run_is_refused_or_passed_over(config, tmp_path):
    (tmp_path / "sentiment" / "demo-gru").mkdir(parents=True)
    with start(config) as run:
        assert run.name == "demo-gru-2"
    with (
        pytest.raises(UserError, match="is not a run folder"),
        start(dataclasses.replace(config, name="demo-gru")),
    ):
        pass


@pytest.mark.parametrize("error", [UserError, DataError, OSError, KeyError])
def test_an_error_before_training_leaves_nothing_behind(
    config, tmp_path, error
):
    with pytest.raises(error), start(config):
        raise error("train.csv: empty")
    assert [p.name for p in (tmp_path / "sentiment").iterdir()] == [".lock"]


def test_an_error_of_the_system_names_the_run(config):
    with start(config) as run:
        begin(run)
    with pytest.raises(OSError, match="full") as caught, start(config):
        raise OSError(errno.ENOSPC, "full")
    assert caught.value.filename == str(run.path)
    assert run.file("backup/state.npz").exists()


def test_bad_input_spares_a_run_that_has_begun(config):
    with start(config) as run:
        begin(run)
    with pytest.raises(DataError), start(config):
        raise DataError("train.csv: empty")
    assert run.file("backup/state.npz").exists()


def test_what_a_killed_run_left_half_written_is_swept(config, tmp_path):
    with start(config) as run:
        begin(run)
        run.file(".tmp-a.keras").write_bytes(b"half")
        (run.path / ".tmp-b").mkdir()
        run.file("backup/.tmp-c").write_bytes(b"half")
    with start(config):
        pass
    assert not list(run.path.rglob(".tmp-*"))


def test_a_run_does_not_go_on_with_other_data(config):
    with start(config) as run:
        runs.keep_lines(run, "labels.txt", ["neg", "pos"])
        begin(run)
    with start(config) as again:
        runs.keep_lines(again, "labels.txt", ["neg", "pos"])
        assert runs.read_lines(run.file("labels.txt")) == ["neg", "pos"]
    with (
        pytest.raises(UserError, match=r"labels.txt differs .* --name"),
        start(config) as again,
    ):
        runs.keep_lines(again, "labels.txt", ["bad", "good"])
    assert runs.read_lines(run.file("labels.txt")) == ["neg", "pos"]


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("config.json", "open"),
        ("labels.txt", "open"),
        ("model.keras", "open"),
        ("config.json", "resume"),
        ("labels.txt", "resume"),
        ("backup/state.npz", "resume"),
        ("digests.json", "open"),
        ("digests.json", "resume"),
    ],
)
@pytest.mark.parametrize("change", ["flip", "cut", "swap", "delete"])
def test_files_that_do_not_belong_together_are_one_line(
    config, tmp_path, file, command, change
):
    config = dataclasses.replace(config, name="x")
    with start(config) as run:
        runs.keep_lines(run, "labels.txt", ["neg", "pos"])
        run.file("backup").mkdir()
        for name in ("model.keras", "backup/state.npz"):
            with digests.replacing(run.file(name)) as temporary:
                temporary.write_bytes(b"model\nof\nlabels\n")

    def use():
        if command == "open":
            return runs.open_run("sentiment", "x", str(tmp_path))
        with start(config) as again:
            return again

    use()
    path = run.file(file)
    raw = path.read_bytes()
    half = len(raw) // 2
    if change == "delete":
        if file in ("backup/state.npz", "digests.json"):
            return  # There is nothing to go on with, or nothing to compare.
        path.unlink()
    else:
        path.write_bytes(
            {
                "flip": raw[:half] + bytes([raw[half] ^ 1]) + raw[half + 1 :],
                "cut": raw[:half],
                "swap": b"".join(reversed(raw.splitlines(keepends=True)[:2])),
            }[change]
        )
        if path.read_bytes() == raw:
            return  # There is one line.
    with pytest.raises(UserError) as caught:
        use()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(run.path))
    assert file.removeprefix("backup/") in str(caught.value)
    path.write_bytes(raw)
    use()


def test_a_kill_between_file_and_digest_spoils_nothing(config, tmp_path):
    with start(config) as run:
        path = run.file("model.keras")

        def write(content):
            with digests.replacing(path) as temporary:
                temporary.write_bytes(content)

        write(b"old")
        # It ends instead of the first, second, third renaming.
        for moment, content in enumerate((b"old", b"old", b"new")):
            replace, calls = os.replace, itertools.count()

            def killed(*paths, end=moment, replace=replace, calls=calls):
                if next(calls) == end:
                    raise KeyboardInterrupt
                replace(*paths)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(os, "replace", killed)
                with pytest.raises(KeyboardInterrupt):
                    write(b"new")
            assert path.read_bytes() == content
            runs.open_run("sentiment", str(run.path), str(tmp_path))
        path.write_bytes(b"others")
        with pytest.raises(UserError, match="is not what the run wrote"):
            runs.open_run("sentiment", str(run.path), str(tmp_path))


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"neg\npo\xff\n", "it is not UTF-8"),
        (b"neg\npos", "its last line has no end"),
        (b"neg\nneg\n", "a line is in it twice"),
    ],
)
def test_damaged_lines_are_one_line(tmp_path, raw, what):
    path = tmp_path / "labels.txt"
    path.write_bytes(raw)
    with pytest.raises(UserError, match=f"labels.txt is damaged: {what}"):
        runs.read_lines(path)


def test_another_number_of_cores_is_told(config, monkeypatch, capsys):
    with start(config) as run:
        begin(run)
    with start(config):
        pass
    assert capsys.readouterr().err == ""
    device = provenance.device()
    assert run.record["device"] == device
    monkeypatch.setattr(provenance, "device", lambda: "cpu (99 cores)")
    with start(config):
        pass
    assert capsys.readouterr().err == (
        f"note: {run.path} began on {device}; on cpu (99 cores) the last "
        "digits of its weights will differ\n"
    )


def data(*digest, test=(1,)):
    return types.SimpleNamespace(digest=[*digest], test=test)


ENCODER = types.SimpleNamespace(key="k")


def test_a_run_goes_on_with_the_very_data_and_encoder(config):
    digest = ["train 2 texts sha256 ab", "test 1 texts sha256 cd"]
    with start(config) as run:
        runs.keep_data(run, data("train 1 texts sha256 old"))
        # Nothing is trained yet: what it was called with last counts.
        runs.keep_data(run, data(*digest), ENCODER)
        begin(run)
    with start(config) as run:
        runs.keep_data(run, data(*digest), ENCODER)
        for other, encoder in [
            (data(digest[0], "test 1 texts sha256 ce"), ENCODER),
            (data(*digest), types.SimpleNamespace(key="l")),
        ]:
            with pytest.raises(UserError, match=r"data\.txt differs .* --name"):
                runs.keep_data(run, other, encoder)
        # Earlier runs know nothing of encoders, or of data.
        path = run.file("data.txt")
        path.write_text(path.read_text().rpartition("encoder")[0])
        runs.keep_data(run, data(*digest), ENCODER)
        path.unlink()
        runs.keep_data(run, data("train 9 texts sha256 ef"), ENCODER)


def model():
    inputs = keras.Input((3,))
    outputs = keras.layers.Dense(2, activation="softmax")(inputs)
    return keras.Model(inputs, outputs)


def trained(config, name, seconds):
    with start(dataclasses.replace(config, name=name)) as run:
        checkpoint.save_model(model(), run.file("model.keras"))
        finish(run)
        os.utime(run.file("metrics.json"), (seconds, seconds))
    return run


def test_open_run_by_name_by_path_and_the_newest(config, tmp_path):
    old = trained(config, "old", 1)
    new = trained(config, "new", 2)
    for asked, run in [("old", old), (str(new.path), new), ("", new)]:
        found = runs.open_run("sentiment", asked, str(tmp_path))
        assert found.path == run.path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("a", ["a"]),
        ("a, b", ["a", "b"]),
        ("b,a", ["b", "a"]),
        ("c,d", ["c,d"]),  # the name of one
        ("a,", "expected names, separated by commas"),
        ("a,sentiment/a", "sentiment/a is there twice"),
        ("a,x", "no run 'x'"),
    ],
)
def test_several_runs_by_their_names(names, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c,d"):
        folder = tmp_path / "sentiment" / name
        folder.mkdir(parents=True)
        (folder / "model.keras").touch()
        record = {"app": "sentiment", "config": {}, "command": ""}
        (folder / "config.json").write_text(json.dumps(record))
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            runs.find_runs("sentiment", names, ".")
    else:
        opened = runs.find_runs("sentiment", names, ".")
        assert [run.name for run in opened] == expected


def test_open_run_says_what_there_is(config, tmp_path):
    with pytest.raises(UserError, match="make train-sentiment"):
        runs.open_run("sentiment", "", str(tmp_path))
    trained(config, "old", 1)
    with pytest.raises(UserError, match=r"no run 'x'; the runs are: old"):
        runs.open_run("sentiment", "x", str(tmp_path))
    with pytest.raises(UserError, match="is not a run folder"):
        runs.open_run("sentiment", str(tmp_path), str(tmp_path))
    with pytest.raises(UserError, match="is a run of sentiment, not video"):
        runs.open_run("video", str(tmp_path / "sentiment/old"), str(tmp_path))
    with start(dataclasses.replace(config, name="young")) as young:
        pass
    with pytest.raises(UserError, match=r"no model\.keras yet"):
        runs.open_run("sentiment", str(young.path), str(tmp_path))


def test_a_torn_or_damaged_model_is_one_clear_line(tmp_path):
    whole = tmp_path / "whole.keras"
    checkpoint.save_model(model(), whole)
    data = whole.read_bytes()
    assert runs.load_model(whole).count_params() == 8
    damaged = bytearray(data)
    place = data.index(b"model.weights.h5") + 400
    damaged[place] ^= 0xFF
    for content, message in [
        (b"", "cannot be loaded as a Keras model: File is not a zip"),
        (data[: len(data) // 2], "cannot be loaded as a Keras model"),
        (data[:-1], "cannot be loaded as a Keras model"),
        (b"hello", "cannot be loaded as a Keras model"),
        (bytes(damaged), "is damaged"),
    ]:
        path = tmp_path / "bad.keras"
        path.write_bytes(content)
        with pytest.raises(UserError, match=message) as caught:
            runs.load_model(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)


def test_a_model_without_weights_is_named(tmp_path):
    whole, bare = tmp_path / "whole.keras", tmp_path / "bare.keras"
    checkpoint.save_model(model(), whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(bare, "w") as target:
        target.writestr("config.json", source.read("config.json"))
        target.writestr("metadata.json", source.read("metadata.json"))
    with pytest.raises(UserError, match=r"loaded .*model\.weights\.h5"):
        runs.load_model(bare)


def test_a_model_that_would_run_code_is_refused(tmp_path):
    inputs = keras.Input((3,))
    harmful = keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs))
    harmful.save(tmp_path / "harmful.keras")
    with pytest.raises(UserError, match="cannot be loaded") as caught:
        runs.load_model(tmp_path / "harmful.keras")
    assert "\n" not in str(caught.value)


def test_runs_that_start_at_once_do_not_disturb_each_other(config):
    def begin_and_end(number):
        named = dataclasses.replace(config, name=f"x{number}")
        with start(named) as run:
            return run.name

    with futures.ThreadPoolExecutor(8) as pool:
        names = list(pool.map(begin_and_end, range(60)))
    assert names == [f"x{number}" for number in range(60)]


def test_a_name_goes_before_a_folder_of_that_name(
    config, tmp_path, monkeypatch
):
    run = trained(config, "apps", 1)
    (tmp_path / "here" / "apps").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    found = runs.open_run("sentiment", "apps", str(tmp_path))
    assert found.path == run.path


def test_a_flag_younger_than_the_run_has_its_default(config):
    with start(dataclasses.replace(config, name="x")) as run:
        begin(run)
    path = run.file("config.json")
    run.file("digests.json").unlink()  # as in a run of before them
    record = json.loads(path.read_text())
    del record["config"]["units"]
    path.write_text(json.dumps(record))
    with start(dataclasses.replace(config, name="x")) as again:
        assert again.path == run.path
    with (
        pytest.raises(UserError, match="--units was 4, is 5"),
        start(dataclasses.replace(config, name="x", units=5)),
    ):
        pass


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, ""),
        ({"units": "4"}, "units is '4'; expected INT"),
        ({"units": None}, "units is None; expected INT"),
        ({"units": True}, "units is True; expected INT"),
        ({"units": 10**30}, "units: 10{30} is more than 4,096"),
        ({"units": 0}, "units: 0 is less than 1"),
        ({"rate": 1}, ""),
        ({"rate": float("nan")}, "rate: nan is not a finite number"),
        ({"rate": []}, r"rate is \[\]; expected FLOAT"),
        ({"cell": "grü"}, "cell: unknown 'grü'; did you mean gru?"),
        ({"cell": "x" * 5000}, "cell: has more than 1,000 letters"),
        ({"mode": "live"}, "unknown setting 'mode'"),
    ],
)
def test_a_configuration_that_is_none_is_one_line(tmp_path, config, message):
    @dataclasses.dataclass(frozen=True)
    class Flags:
        units: int = cli.flag(4, "size", at_least=1, at_most=4096)
        cell: str = cli.flag("gru", "cell", choices=["gru", "lstm"])
        rate: float = cli.flag(0.5, "rate")

    run = runs.Run("sentiment", tmp_path, {"config": config})
    if not message:
        assert run.config(Flags) == Flags(**config)
        return
    with pytest.raises(UserError, match=rf"/config\.json: {message}"):
        run.config(Flags)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"null", b"{}", b"[]", b"\xff", b"[" * 10**5),
        b'{"app": "sentiment", "config": [], "command": ""}',
        b'{"app": "sentiment", "config": {}, "command": 1}',
        b'{"app": [], "config": {}, "command": ""}',
    ],
)
def test_a_record_that_is_none_is_one_line(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=r"no readable config\.json in"):
        runs.read_record(tmp_path)


def test_a_run_of_before_a_flag_was_renamed_opens(
    config, tmp_path, monkeypatch
):
    with start(config) as run:
        run.file("model.keras").write_bytes(b"")
    monkeypatch.setitem(cli.RENAMED, "sentiment", {"units": "size"})
    opened = runs.open_run("sentiment", "demo-gru", str(tmp_path))
    assert opened.record["config"]["size"] == 4
    assert "units" not in opened.record["config"]
