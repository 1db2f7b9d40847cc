import gzip
import json
import os
import unicodedata
from pathlib import Path

import pytest

from data_pipelines.captioning import caption_files, captions
from data_pipelines.files.errors import DataError
from data_pipelines.files.splits import SPLITS

# Picture -> captions; not in the order of the alphabet.
SAID = {
    "b.jpg": ["a dog runs .", "a brown dog"],
    "a.jpg": ["a cat, asleep", "the cat"],
    "c.jpg": ["two birds"],
}


def pictures(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"what is in it does not matter here")


def table(folder, content, names=tuple(SAID), place="images"):
    pictures(folder / place, names)
    content = content if isinstance(content, bytes) else content.encode()
    (folder / "captions.csv").write_bytes(content)
    return folder


def rows(said, split=None):
    lines = ["image,caption" + (",split" if split else "")]
    for name, texts in said.items():
        end = f",{split[name]}" if split else ""
        lines += [f'{name},"{text}"{end}' for text in texts]
    return "\n".join(lines) + "\n"


def numbered(count):
    return {f"{n}.jpg": [f"the number {n}", "a number"] for n in range(count)}


def read(folder, **options):
    cache = (folder or Path()) / "cache"
    return captions.read(folder, **{"seed": 0, "cache_path": cache, **options})


def fails(folder, **options):
    with pytest.raises(DataError) as caught:
        read(folder, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(str(folder))


def said(actual):
    return {name: list(p.captions) for name, p in actual.pictures.items()}


# captions.csv.


SPLIT = {"b.jpg": "train", "a.jpg": "test", "c.jpg": "valid"}


@pytest.mark.parametrize("place", ["images", "."])
def test_table(tmp_path, place):
    actual = read(table(tmp_path, rows(SAID, SPLIT), place=place))
    assert said(actual) == SAID
    assert list(actual.pictures) == list(SAID)
    for name, picture in actual.pictures.items():
        assert picture.name == name
        assert picture.split == SPLIT[name]
        assert picture.path == tmp_path / place / name
        assert actual.split(SPLIT[name]) == [picture]
    assert actual.name == str(tmp_path / "captions.csv")
    assert actual.notes == []
    assert not actual.bad


def test_columns_in_any_order_and_rows_of_a_picture_apart(tmp_path):
    content = (
        "split,id,caption,image\n"
        "train,1,a dog,x.jpg\n"
        "valid,2,a cat,y.jpg\n"
        'train,3," the\n  dog ",x.jpg\n'
        "test,4,a bird,z.jpg\n"
    )
    folder = table(tmp_path, content, ["x.jpg", "y.jpg", "z.jpg"])
    assert said(read(folder)) == {
        "x.jpg": ["a dog", "the dog"],
        "y.jpg": ["a cat"],
        "z.jpg": ["a bird"],
    }


def test_what_records_can_do_applies(tmp_path):
    content = b"\xef\xbb\xbf" + rows(SAID, SPLIT).encode()
    content = content.replace(b"a brown", b"a br\xfcn").replace(b"\n", b"\r\n")
    actual = read(table(tmp_path, gzip.compress(content)))
    assert actual.pictures["b.jpg"].captions[1] == "a br\ufffdn dog"
    (note,) = actual.notes
    assert note.startswith(f"{tmp_path / 'captions.csv'}: 1 broken bytes, ")


NFC, NFD = (unicodedata.normalize(f, "Café.jpg") for f in ("NFC", "NFD"))


def test_all_names_of_a_file_are_one_picture(tmp_path):
    many = numbered(30)
    content = rows(many)
    names = ["./6.jpg", "images/6.jpg", "images\\6.jpg", "6.JPG", "l.jpg",
             f"{tmp_path}/images/6.jpg", "images/../6.jpg"]  # fmt: skip
    content += "".join(f"{name},from {i}\n" for i, name in enumerate(names))
    content += f"./6.jpg,a number\n{NFC},one\n{NFD},two\npets/a.jpg,pet\n"
    folder = table(tmp_path, content, [*many, NFD, "pets/a.jpg"])
    (folder / "l.jpg").symlink_to("images/6.jpg")
    actual = read(folder)
    assert list(actual.pictures) == [*many, NFC, "pets/a.jpg"]
    more = [f"from {i}" for i in range(len(names))]
    assert said(actual)["6.jpg"] == [*many["6.jpg"], *more]
    assert actual.pictures["6.jpg"].path == tmp_path / "images" / "6.jpg"
    assert said(actual)[NFC] == ["one", "two"]
    # The others stay where they are.
    alone = read(table(tmp_path / "alone", rows(many), many))
    for name, picture in alone.pictures.items():
        assert picture.split == actual.pictures[name].split


def test_all_names_of_a_missing_file_are_one_picture(tmp_path):
    content = rows(numbered(30)) + "./x.jpg,x\nimages/../x.jpg,x\nx.jpg,y\n"
    actual = read(table(tmp_path, content, numbered(30)))
    assert len(actual.bad) == 1


@pytest.mark.parametrize("other", ["./a.jpg", "images/a.jpg", "link.jpg"])
def test_names_of_one_file_in_two_splits(tmp_path, other):
    content = rows(SAID, SPLIT) + f"{other},a cat,valid\n"
    folder = table(tmp_path, content)
    (folder / "images" / "link.jpg").symlink_to("a.jpg")
    assert fails(folder) == (
        f"/captions.csv:7: {other} is in valid here and in test in {folder}/"
        "captions.csv:4, as a.jpg; a picture can be in one split only"
    )


@pytest.mark.parametrize("name", ["../../x.jpg", "/etc/hostname", "C:\\x.jpg"])
def test_names_that_leave_the_folder(tmp_path, name):
    (tmp_path / "x.jpg").touch()
    folder = table(
        tmp_path / "data", rows(numbered(40)) + f"{name},out\n", numbered(40)
    )
    assert fails(folder) == (
        f"/captions.csv:82: {name} is not in {folder}; expected the name of a "
        "file in it, or --allow-outside"
    )
    actual = read(folder, allow_outside=True)
    assert (name in actual.pictures) == (name[0] != "C")


def test_columns_have_their_usual_names(tmp_path):
    content = rows(SAID).replace("image,caption", "Filename,Text")
    other = table(tmp_path / "other", content)
    actual = read(other)
    assert {n: [*p.captions] for n, p in actual.pictures.items()} == SAID
    assert any("'Filename' is the image" in note for note in actual.notes)


def test_copies_of_a_picture(tmp_path):
    many = numbered(60)
    actual = read(table(tmp_path, rows(many), many))
    name = actual.split("valid")[0].name
    contents = {n: n for n in many} | {"3.jpg": "copy", name: "copy"}
    contents |= {"0.jpg": "copy"}
    apart = actual.separated(contents)
    assert apart.notes == []
    assert {apart.pictures[n].split for n in ("0.jpg", "3.jpg", name)} == {
        actual.pictures["0.jpg"].split
    }
    rest = {n: p for n, p in apart.pictures.items() if contents[n] == n}
    assert rest == {n: actual.pictures[n] for n in rest}


def test_copies_of_a_picture_where_the_files_say_the_split(tmp_path):
    actual = read(table(tmp_path, rows(SAID, SPLIT)))
    apart = actual.separated({"b.jpg": "x", "a.jpg": "y", "c.jpg": "x"})
    assert apart.pictures == actual.pictures
    folder = tmp_path / "images"
    assert apart.notes == [
        "1 pictures are copies, byte for byte, of one in another split, such "
        f"as {folder / 'c.jpg'} in valid of {folder / 'b.jpg'} in train"
    ]
    assert actual.separated({}).notes == []


def test_copies_never_empty_a_split(tmp_path):
    actual = read(table(tmp_path, rows(SAID)))
    apart = actual.separated(dict.fromkeys(SAID, "x"))
    assert apart.pictures == actual.pictures
    assert len(apart.notes) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "url,caption\na.jpg,x\n",
            ":1: no column 'image' in the header; the columns are 'url', "
            "'caption'",
        ),
        (
            "image,words\na.jpg,x\n",
            ":1: no column 'caption' in the header; the columns are 'image', "
            "'words'",
        ),
        (
            "image,caption\na.jpg,x\nb.jpg\n",
            ":3: expected 2 fields as in the header, found 1",
        ),
        (
            f"image,caption\na.jpg,x\nb.jpg,{'x' * 100_000}\n",
            ":3: the caption has 100,000 letters; expected at most 10,000",
        ),
        ('image,caption\na.jpg,""\nb.jpg," "\n', ": has no captions"),
        (
            "image,caption\na.jpg,x\n ,y\n",
            ":3: the name of the picture is empty",
        ),
        (
            "image,caption,split\na.jpg,x,train\nb.jpg,x,trainval\n",
            ":3: unknown split 'trainval'; expected train, valid or test",
        ),
        (
            "image,caption,split\na.jpg,x,train\nb.jpg,x,\n",
            ":3: unknown split ''; expected train, valid or test",
        ),
        ("image,caption\n", ": has no records"),
        ("", ": the file is empty"),
        ('image,caption\na.jpg,"x\n', ":2: the record that starts here is "),
    ],
)
def test_wrong_tables(tmp_path, content, expected):
    message = fails(table(tmp_path, content))
    assert message.removeprefix("/captions.csv").startswith(expected)


def test_a_picture_in_two_splits(tmp_path):
    content = "image,caption,split\na.jpg,x,train\nb.jpg,y,test\na.jpg,z,test\n"
    path = tmp_path / "captions.csv"
    assert fails(table(tmp_path, content)) == (
        f"/captions.csv:4: a.jpg is in test here and in train in {path}:2; a "
        "picture can be in one split only"
    )


def test_captions_twice_are_left_out_and_counted(tmp_path):
    content = rows(SAID, SPLIT) + "c.jpg,two  birds,valid\nc.jpg,birds,valid\n"
    content += "a.jpg,two birds,test\nc.jpg,birds,valid\n"
    actual = read(table(tmp_path, content))
    assert actual.pictures["c.jpg"].captions == ("two birds", "birds")
    assert actual.pictures["a.jpg"].captions[-1] == "two birds"
    assert actual.notes == [
        "2 captions that their picture has already are left out, the first "
        f"in {tmp_path / 'captions.csv'}:7"
    ]


def test_empty_captions_are_left_out_and_counted(tmp_path):
    many = numbered(40)
    content = rows(many) + 'b.jpg,\n3.jpg," "\nb.jpg,\u3000\nc.jpg,\nc.jpg,c\n'
    actual = read(table(tmp_path, content, [*many, "b.jpg", "c.jpg"]))
    assert said(actual) == {**many, "c.jpg": ["c"]}
    assert actual.wordless == 4
    assert actual.captionless == [tmp_path / "images" / "b.jpg"]


def test_few_pictures_without_a_file_are_counted(tmp_path):
    many = numbered(40)
    folder = table(tmp_path, rows(many), list(many)[2:])
    actual = read(folder)
    assert list(actual.pictures) == list(many)[2:]
    assert actual.bad.reasons == {
        str(tmp_path / "images" / f"{n}.jpg"): "there is no such file"
        for n in (0, 1)
    }


def test_many_pictures_without_a_file_are_an_error(tmp_path):
    many = numbered(40)
    folder = table(tmp_path, rows(many), list(many)[3:])
    message = fails(folder)
    assert message.startswith("3 of 40 pictures (7.5%) cannot be read: ")
    assert f"{tmp_path / 'images' / '0.jpg'}: there is no such file" in message
    listed = tmp_path / "cache" / "missing_pictures.txt"
    assert message.endswith(f"; all are listed in {listed}")
    assert len(listed.read_text().splitlines()) == 3


def test_names_that_no_file_can_have(tmp_path):
    many = numbered(100)
    content = rows(many) + f"a\0b,x\n{'a' * 5000},x\nimages,x\n"
    actual = read(table(tmp_path, content, many))
    assert len(actual.bad) == 3
    assert len(actual.pictures) == 100


# What is kept.


def kinds(folder):
    """Folders of every kind, with something to tell about each."""
    content = rows(SAID, SPLIT) + "c.jpg,two birds,valid\n"
    yield table(folder / "table", content)
    (folder / "coco").mkdir()
    coco(folder / "coco", "captions_train2017.json", numbered(9), "train2017")
    coco(folder / "coco", "captions_val2017.json", SAID, "val2017")
    yield folder / "coco"
    place = folder / "flickr"
    pictures(place / "images", numbered(9))
    lines = [f"{n}#{i}\t{t}" for n, ts in numbered(9).items()
             for i, t in enumerate(ts)]  # fmt: skip
    (place / "Flickr8k.token.txt").write_text("\n".join(lines))
    (place / "a.trainImages.txt").write_text("0.jpg\n1.jpg\n2.jpg\n3.jpg\n")
    yield place


def test_what_is_kept_is_what_was_read(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    for folder in kinds(tmp_path):
        fresh = read(folder)
        first = read(folder, cache_path=cache)
        with monkeypatch.context() as patch:
            for source in (
                caption_files.CaptionTable,
                caption_files.Coco,
                caption_files.Flickr,
            ):
                patch.delattr(source, "__iter__")
            again = read(folder, cache_path=cache)
        for actual in (first, again):
            assert actual.pictures == fresh.pictures
            assert list(actual.pictures) == list(fresh.pictures)
            assert actual.notes == fresh.notes


def test_changed_files_are_read_again(tmp_path):
    folder = table(tmp_path / "a", rows(SAID, SPLIT))
    options = {"cache_path": tmp_path / "cache"}
    read(folder, **options)
    table(folder, rows(SAID, SPLIT).replace("cat", "lion"))
    assert "a lion, asleep" in said(read(folder, **options))["a.jpg"]
    # A list beside the captions is one of the files, too.
    *_, place = kinds(tmp_path)
    assert len(read(place, **options).pictures) == 4
    (place / "a.testImages.txt").write_text("5.jpg\n")
    assert len(read(place, **options).pictures) == 5


def test_pictures_are_looked_for_each_time(tmp_path):
    many = numbered(40)
    folder = table(tmp_path / "a", rows(many), many)
    options = {"cache_path": tmp_path / "cache"}
    assert len(read(folder, **options).pictures) == 40
    (folder / "images" / "7.jpg").rename(folder / "7.jpg")
    (folder / "images" / "8.jpg").unlink()
    actual = read(folder, **options)
    assert actual.pictures["7.jpg"].path == folder / "7.jpg"
    assert list(actual.bad.reasons) == [str(folder / "images" / "8.jpg")]
    pictures(folder / "images", ["8.jpg"])
    assert not read(folder, **options).bad


# Splits.


def test_missing_splits_are_cut_from_train_by_picture(tmp_path):
    many = numbered(500)
    folder = table(tmp_path, rows(many), many)
    actual = read(folder)
    counts = [len(actual.split(s)) for s in ("train", "valid", "test")]
    assert sum(counts) == 500
    assert all(30 <= count <= 70 for count in counts[1:])
    assert all(len(p.captions) == 2 for p in actual.pictures.values())
    # By the name alone: not by the order, the captions, or who else is there.
    fewer = dict(reversed(list(many.items())))
    for number in range(0, 500, 7):
        del fewer[f"{number}.jpg"]
    again = read(table(tmp_path, rows(fewer).replace("number", "n"), ()))
    for name, picture in again.pictures.items():
        assert picture.split == actual.pictures[name].split
    other = read(folder, seed=1)
    assert any(
        p.split != actual.pictures[n].split for n, p in other.pictures.items()
    )


def test_only_what_is_missing_is_cut(tmp_path):
    many = numbered(100)
    split = {name: "test" if n < 30 else "train" for n, name in enumerate(many)}
    actual = read(table(tmp_path, rows(many, split), many))
    assert [p.name for p in actual.split("test")] == list(many)[:30]
    assert 1 <= len(actual.split("valid")) <= 20
    assert actual.split("train")


def test_three_pictures_are_enough_two_are_not(tmp_path):
    actual = read(table(tmp_path, rows(SAID)))
    assert {p.split for p in actual.pictures.values()} == set(SPLITS)
    two = {name: SAID[name] for name in list(SAID)[:2]}
    assert fails(table(tmp_path, rows(two))) == (
        "/captions.csv: too few different pictures to cut valid and test "
        "from; expected at least 3, or your own valid and test"
    )


def test_no_train(tmp_path):
    folder = table(tmp_path, rows(SAID, dict.fromkeys(SAID, "test")))
    assert fails(folder) == (
        "/captions.csv: no picture is in train; found test"
    )
    actual = read(folder, training=False)
    assert len(actual.split("test")) == 3
    assert not actual.split("train")
    assert not actual.split("valid")


def test_an_old_run_sees_the_same_cut(tmp_path):
    many = numbered(50)
    folder = table(tmp_path, rows(many), many)
    assert read(folder).pictures == read(folder, training=False).pictures


# COCO.


def coco(folder, name, said, place=None, **changes):
    """Writes a file as COCO has them, images before annotations."""
    ids = {picture: 7 * n for n, picture in enumerate(said)}
    content = {
        "info": {"year": 2017, "list": [1, {"a": "]"}]},
        "licenses": [{"id": 1}, 3.5, "x", [], -1e-7, 3, None],
        "images": [
            {"license": 3, "file_name": picture, "id": number}
            for picture, number in ids.items()
        ],
        "annotations": [
            {"image_id": ids[picture], "id": 1, "caption": text}
            for picture, texts in said.items()
            for text in texts
        ],
    }
    content.update(changes)
    (folder / "annotations").mkdir(exist_ok=True)
    path = folder / "annotations" / name
    path.write_text(json.dumps(content))
    if place:
        pictures(folder / place, said)
    return path


def test_coco(tmp_path):
    many = numbered(60)
    coco(tmp_path, "captions_train2017.json", many, "train2017")
    coco(tmp_path, "captions_val2017.json", SAID, "val2017")
    actual = read(tmp_path)
    assert said(actual) == {**many, **SAID}
    valid = actual.split("valid")
    assert [p.path for p in valid] == [tmp_path / "val2017" / n for n in SAID]
    assert actual.pictures["3.jpg"].path == tmp_path / "train2017" / "3.jpg"
    assert 1 <= len(actual.split("test")) <= 15  # cut from train


def test_coco_with_all_pictures_in_one_folder(tmp_path):
    path = coco(tmp_path, "captions_train2014.json", SAID, "images")
    path.rename(tmp_path / path.name)
    assert said(read(tmp_path)) == SAID


def test_coco_in_another_order_and_form(tmp_path):
    path = coco(tmp_path, "captions_train2017.json", SAID, "images")
    content = json.loads(path.read_text())
    content = dict(reversed(content.items()))
    path.write_text("\ufeff" + json.dumps(content, indent=4))
    actual = read(tmp_path)
    assert said(actual) == SAID


ONE = {"images": [{"id": 1, "file_name": "a.jpg"}]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "1: not JSON, or cut off here: Expecting value"),
        ("[1]", " has no list of images; expected COCO's files of captions"),
        ("captions", "1: not JSON, or cut off here: Expecting value"),
        ('{"images": []}', " has no list of images; "),
        ('{"images": {"id": 1}}', " has no list of images; "),
        (json.dumps(ONE), " has no list of annotations; "),
        (
            '{"images": [\n{"id": 1,}]}',
            "2: not JSON, or cut off here: Expecting property name",
        ),
        (
            '{"a": [\n{"id": 1}',
            "2: not JSON, or cut off here: Expecting ',' delimiter",
        ),
        (
            '{"images": [\n{"id": 1, "x',
            "2: not JSON, or cut off here: Unterminated string",
        ),
        pytest.param(
            '{"images": [' + "[" * 100_000, " is nested too deeply", id="deep"
        ),
        (
            '{"images": [\n1]}',
            " images, number 1: no key 'id'; expected COCO's files of "
            "captions, captions_*.json",
        ),
        (
            json.dumps({"images": [{"id": 1, "file_name": 5}]}),
            " images, number 1: 'file_name' is 5",
        ),
        (
            json.dumps({"images": [{"id": 1, "file_name": x} for x in "ab"]}),
            " images, number 2: two images have the same id",
        ),
        (
            json.dumps({**ONE, "annotations": [{"image_id": 1, "bbox": 0}]}),
            " annotations, number 1: no key 'caption'; expected COCO's files "
            "of captions, captions_*.json",
        ),
        (
            json.dumps(
                {**ONE, "annotations": [{"image_id": 2, "caption": ""}]}
            ),
            " annotations, number 1: no image has the id 2",
        ),
        (
            json.dumps(
                {**ONE, "annotations": [{"image_id": 1, "caption": ""}]}
            ),
            " has no captions",
        ),
        (
            json.dumps(
                {**ONE, "annotations": [{"image_id": 1, "caption": ["x"] * 99}]}
            ),
            " annotations, number 1: 'caption' is ['x', 'x', 'x', 'x', 'x', "
            "'x', ...]",
        ),
        ('{"images": [{"id": ' + "9" * 5000, " not JSON: Exceeds the limit"),
        ("[" * 200_000, " is nested too deeply"),
    ],
)
def test_wrong_coco(tmp_path, content, expected):
    path = coco(tmp_path, "captions_train2017.json", SAID, "images")
    path.write_text(content)
    message = fails(tmp_path)
    start = "/annotations/captions_train2017.json:"
    assert message.removeprefix(start).startswith(expected)


def test_pipes_and_hidden_files(tmp_path):
    path = coco(tmp_path, "captions_train2017.json", SAID, "images")
    path.with_name("._captions_train2017.json").write_text("attributes")
    (tmp_path / "._captions.csv").write_text("attributes")
    assert said(read(tmp_path)) == SAID
    path.unlink()
    os.mkfifo(path)
    assert fails(tmp_path) == (
        "/annotations/captions_train2017.json: is a pipe; expected a file"
    )


# Flickr8k.


def flickr(folder, said, lists=None, place="Flicker8k_Dataset"):
    folder.mkdir(exist_ok=True)
    pictures(folder / place, said)
    lines = [
        f"{name}#{number}\t{text}\n"
        for name, texts in said.items()
        for number, text in enumerate(texts)
    ]
    (folder / "Flickr8k.token.txt").write_text("".join(lines))
    for name, names in (lists or {}).items():
        path = folder / f"Flickr_8k.{name}Images.txt"
        path.write_text("".join(f"{name}\n" for name in names))
    return folder


def test_flickr_with_lists(tmp_path):
    lists = {"train": ["b.jpg"], "dev": ["a.jpg"], "test": ["c.jpg"]}
    more = {**SAID, "d.jpg": ["not listed"], "e.jpg": ["nor this"]}
    lists["test"].append("f.jpg")
    actual = read(flickr(tmp_path, more, lists))
    assert said(actual) == SAID
    splits = {name: p.split for name, p in actual.pictures.items()}
    assert splits == {"b.jpg": "train", "a.jpg": "valid", "c.jpg": "test"}
    assert actual.notes == [
        "2 pictures are in no list and left out, such as d.jpg",
        "1 pictures of the lists have no caption, such as f.jpg",
    ]


def test_flickr_without_lists(tmp_path):
    many = numbered(60)
    actual = read(flickr(tmp_path, many, place="images"))
    assert said(actual) == many
    assert all(actual.split(split) for split in SPLITS)
    assert not actual.notes


def test_flickr_with_one_list(tmp_path):
    many = numbered(60)
    actual = read(flickr(tmp_path, many, {"train": list(many)[:50]}))
    assert len(actual.pictures) == 50
    assert all(actual.split(split) for split in SPLITS)


def test_flickr_in_the_folders_it_comes_in(tmp_path):
    many = numbered(60)
    flickr(tmp_path / "Flickr8k_text", many, {"train": many}, "x")
    pictures(tmp_path / "Flicker8k_Dataset", many)
    assert said(read(tmp_path)) == many


@pytest.mark.parametrize(
    "line", ["a.jpg#0 a cat", "a.jpg\ta cat", "a.jpg#x\ta cat", "#0\ta cat"]
)
def test_wrong_lines_of_flickr(tmp_path, line):
    folder = flickr(tmp_path, SAID)
    path = folder / "Flickr8k.token.txt"
    path.write_text(f"a.jpg#0\tfine\n\n{line}\n")
    assert fails(folder) == (
        "/Flickr8k.token.txt:3: expected name.jpg#0, a tab and a caption"
    )


def test_lists_that_contradict_each_other(tmp_path):
    lists = {"train": ["b.jpg", "a.jpg"], "test": ["c.jpg", "a.jpg"]}
    folder = flickr(tmp_path, SAID, lists)
    assert fails(folder) == (
        "/Flickr_8k.trainImages.txt:2: a.jpg is in train here and in test in "
        f"{folder / 'Flickr_8k.testImages.txt'}:2"
    )


# Folders.


def test_folders_without_captions(tmp_path):
    with pytest.raises(DataError, match="--data-path FOLDER is needed"):
        read(None)
    assert fails(tmp_path / "no") == ": there is no such folder"
    (tmp_path / "captions.txt").write_text("a.jpg,a cat")
    (tmp_path / "results.csv").write_bytes(b"\xff\xfea,b")
    assert fails(tmp_path) == (
        ": has no captions; expected captions.csv or .parquet, COCO's "
        "captions_train*.json, Karpathy's dataset_*.json, Flickr's *.token or "
        "results.csv, or Kaggle's captions.txt"
    )


def test_folders_with_too_many_captions(tmp_path):
    coco(tmp_path, "captions_train2014.json", SAID, "images")
    path = coco(tmp_path, "captions_train2017.json", SAID, "images")
    first = path.with_name("captions_train2014.json")
    assert fails(tmp_path) == (
        f": holds several files for one split; expected one: {first}, {path}"
    )
    table(tmp_path, rows(SAID))
    assert fails(tmp_path) == (
        ": holds captions of several kinds; expected one of them: "
        f"{tmp_path / 'captions.csv'}, {first}, {path}"
    )


def test_a_named_encoding(tmp_path):
    content = rows(SAID, SPLIT).replace("a brown", "a brün").encode("cp1252")
    folder = table(tmp_path, content)
    options = dict(seed=0, cache_path=tmp_path / "c", encoding="cp1252")
    named = captions.read(folder, **options)
    assert named.pictures["b.jpg"].captions[1] == "a brün dog"
    # The cache knows the encoding.
    options["encoding"] = ""
    plain = captions.read(folder, **options)
    assert plain.pictures["b.jpg"].captions[1] == "a br\ufffdn dog"
