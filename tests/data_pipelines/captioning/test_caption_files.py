"""Files of captions as they are given out, written as their pages show them."""

import json

import pyarrow
import pytest
from pyarrow import parquet

from data_pipelines.captioning import captions
from data_pipelines.files.errors import DataError
from data_pipelines.files.splits import SPLITS


def pictures(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"what is in it does not matter here")


def read(folder, **options):
    return captions.read(folder, seed=0, cache_path=folder / "cache", **options)


def said(actual):
    return {name: list(p.captions) for name, p in actual.pictures.items()}


def fails(folder):
    with pytest.raises(DataError) as caught:
        read(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(str(folder))


# More pictures, so that valid and test can be cut from them.
MORE = [f"{n}.jpg" for n in range(5)]


@pytest.mark.parametrize(
    "name", ["captions.txt", "flickr30k_images/captions.txt"]
)
def test_kaggle(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    content = (
        "image,caption\r\n"
        "a b.jpg,A child in a pink dress .\r\n"
        "a b.jpg,A girl, a child, going into a house .\r\n"
        'c.jpg,"A dog , ""Rex"" , runs ."\r\n'
        'c.jpg,"Rex" is what he says\r\n'
        '"d, e.jpg",A bird\r\n'
        "\r\n"
        "c.jpg,\r\n"
    )
    content += "".join(f"{more},x\r\n" for more in MORE)
    path.write_bytes(content.encode())
    pictures(tmp_path / "Images", ["a b.jpg", "c.jpg", "d, e.jpg", *MORE])
    actual = read(tmp_path)
    assert said(actual) == {
        "a b.jpg": [
            "A child in a pink dress .",
            "A girl, a child, going into a house .",
        ],
        "c.jpg": ['A dog , "Rex" , runs .', '"Rex" is what he says'],
        "d, e.jpg": ["A bird"],
        **{more: ["x"] for more in MORE},
    }
    assert actual.wordless == 1


# The header and the delimiter that one row lacks are as they are published.
BARS = (
    "image_name| comment_number| comment\n"
    "71.jpg| 0| Two young guys , one with shaggy hair | or not .\n"
    "71.jpg| 1| Two men .\n"
    "2199200615.jpg| 4   A dog runs across the grass .\n"
)
NESTED = "flickr30k_images"
COMMAS = BARS.replace("| ", ", ")


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("results.csv", BARS, "flickr30k_images"),
        (f"{NESTED}/results.csv", BARS, f"{NESTED}/{NESTED}"),
        ("captions.txt", COMMAS, "Images"),
    ],
)
def test_results_of_flickr30k(tmp_path, name, content, place):
    names = ["71.jpg", "2199200615.jpg", *MORE]
    pictures(tmp_path / place, names)
    mark = content[10]
    content += "".join(f"{more}{mark} 0{mark} 2 dogs\n" for more in MORE)
    (tmp_path / name).write_text(content)
    actual = said(read(tmp_path))
    assert list(actual) == names
    first = f"Two young guys , one with shaggy hair {mark} or not ."
    assert actual["71.jpg"] == [first, "Two men ."]
    assert actual["2199200615.jpg"] == ["A dog runs across the grass ."]
    assert actual["0.jpg"] == ["2 dogs"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("captions.txt", "image,caption\na.jpg,x\na.jpg x\n"),
        ("captions.txt", 'image,caption\na.jpg,x\n"a.jpg,x\n'),
        ("results.csv", BARS.splitlines(True)[0] + "a.jpg| 0| x\na.jpg| x\n"),
    ],
)
def test_wrong_lines(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert fails(tmp_path) == (
        f"/{name}:3: expected the name of a picture and a caption, and between "
        "them what is between them in the header"
    )


def test_tokens_of_flickr30k(tmp_path):
    names = ["1000092795.jpg", *MORE]
    pictures(tmp_path / "flickr30k-images", names)
    lines = [f"{name}#{n}\tA man , {n} .\n" for name in names for n in range(5)]
    (tmp_path / "results_20130124.token").write_text("".join(lines))
    # Flickr8k has its words without their endings beside it.
    (tmp_path / "Flickr8k.lemma.token.txt").write_text("1.jpg#0\tman\n")
    texts = [f"A man , {n} ." for n in range(5)]
    assert said(read(tmp_path)) == dict.fromkeys(names, texts)


def karpathy(folder, name, images):
    for number, image in enumerate(images):
        image |= {"imgid": number, "sentids": [number]}
    (folder / name).write_text(json.dumps({"images": images, "dataset": "x"}))


def sentence(text, **changes):
    raw = {"raw": text, "tokens": text.lower().split(), "imgid": 0, "sentid": 1}
    return raw | changes


@pytest.mark.parametrize("place", ["val2014", "images/val2014", "images", ""])
def test_karpathy(tmp_path, place):
    parts = {
        "train": "train",
        "restval": "train",
        "val": "valid",
        "test": "test",
    }
    images = [
        {
            "filepath": "val2014",
            "filename": f"COCO_{split}.jpg",
            "split": split,
            "sentences": [sentence(f"A {split}."), sentence("A  man.")],
        }
        for split in parts
    ]
    images[0]["sentences"][1:] = [{"tokens": ["a", "dog"]}, {"raw": None}]
    images.append({**images[0], "filename": "no.jpg", "sentences": []})
    (tmp_path / "annotations").mkdir()
    karpathy(tmp_path / "annotations", "dataset_coco.json", images)
    pictures(tmp_path / place, [image["filename"] for image in images])
    actual = read(tmp_path)
    names = {split: f"val2014/COCO_{split}.jpg" for split in parts}
    assert {n: p.split for n, p in actual.pictures.items()} == {
        names[split]: part for split, part in parts.items()
    }
    texts = said(actual)
    assert texts[names["train"]] == ["A train.", "a dog"]
    assert texts[names["val"]] == ["A val.", "A man."]
    assert actual.wordless == 1
    assert actual.captionless == [tmp_path / place / "no.jpg"]


def test_karpathy_of_flickr_with_a_split_to_cut(tmp_path):
    images = [
        {"filename": f"{n}.jpg", "split": "train" if n else "test",
         "sentences": [sentence(f"number {n}")]}
        for n in range(9)
    ]  # fmt: skip
    karpathy(tmp_path, "dataset_flickr8k.json", images)
    pictures(tmp_path / "Flicker8k_Dataset", [f"{n}.jpg" for n in range(9)])
    actual = read(tmp_path)
    assert [p.name for p in actual.split("test")] == ["0.jpg"]
    assert actual.split("valid")
    # The archive holds those of all sets.
    karpathy(tmp_path, "dataset_flickr30k.json", images)
    assert fails(tmp_path).startswith(
        ": holds several files for one split; expected one: "
    )


def test_encodings_of_json(tmp_path):
    images = [
        {"filename": f"{n}.jpg", "split": "train", "sentences": [sentence("é")]}
        for n in range(20)
    ]
    path = tmp_path / "dataset_x.json"
    pictures(tmp_path / "images", [f"{n}.jpg" for n in range(20)])
    text = json.dumps({"images": images}, ensure_ascii=False)
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le"):
        path.write_bytes(text.encode(encoding))
        assert said(read(tmp_path))["0.jpg"] == ["é"]
    path.write_bytes(text.encode("cp1252"))
    assert fails(tmp_path).endswith(
        "add --encoding with its encoding, such as cp1252"
    )
    assert said(read(tmp_path, encoding="cp1252"))["0.jpg"] == ["é"]
    path.write_bytes(text.encode().replace("é".encode(), b"\xff", 1))
    actual = read(tmp_path)
    assert said(actual)["0.jpg"] == ["\ufffd"]
    assert f"{path}: 1 broken bytes replaced" in actual.notes


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"split": "dev2"},
            "unknown split 'dev2'; expected train, res",
        ),
        ({"split": None}, "'split' is None"),
        ({"filename": 5}, "'filename' is 5"),
        ({"filepath": [5]}, "'filepath' is [5]"),
        ({"sentences": ["x"]}, "a sentence is 'x'; expected Karpathy's files"),
        ({"sentences": [{}]}, "a sentence is {}; expected Karpathy's files of"),
        ({"sentences": "x"}, "'sentences' is 'x'"),
    ],
)
def test_wrong_karpathy(tmp_path, change, expected):
    good = {"filename": "a.jpg", "split": "val", "sentences": [sentence("x")]}
    karpathy(tmp_path, "dataset_x.json", [good, good | change])
    where = "/dataset_x.json: images, number 2: "
    assert fails(tmp_path).startswith(where + expected)


def test_parquet(tmp_path):
    texts = ["a, b", None, "c"]
    columns = {
        "image": [more for more in MORE for _ in texts],
        "caption": texts * len(MORE),
        "split": [s for s in (*SPLITS, *SPLITS[:2]) for _ in texts],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "captions.parquet")
    pictures(tmp_path / "images", MORE)
    actual = read(tmp_path)
    assert said(actual) == {more: ["a, b", "c"] for more in MORE}
    assert actual.wordless == len(MORE)
    assert [p.name for p in actual.split("test")] == [MORE[2]]


@pytest.mark.parametrize("suffix", [".tsv", ".TSV", ".jsonl", ".ndjson"])
def test_other_tables(tmp_path, suffix):
    lines = ["image\tcaption", *(f"{m}\ta, b" for m in MORE)]
    if suffix.endswith("json") or suffix == ".jsonl":
        rows = [{"image": m, "caption": "a, b"} for m in MORE]
        lines = map(json.dumps, rows)
    (tmp_path / f"captions{suffix}").write_text("\n".join(lines))
    pictures(tmp_path / "images", MORE)
    assert said(read(tmp_path)) == {more: ["a, b"] for more in MORE}


def test_two_tables(tmp_path):
    for name in ("captions.tsv", "captions.csv"):
        (tmp_path / name).write_text("image,caption\na.jpg,x\n")
    assert fails(tmp_path) == (
        ": holds several files for one split; expected one: "
        f"{tmp_path / 'captions.csv'}, {tmp_path / 'captions.tsv'}"
    )
