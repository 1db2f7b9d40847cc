import bz2
import gzip
import io
import lzma
import pickle

import pytest

from data_pipelines.files import lines as module
from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import Lines, decode, guess, in_chunks

FRENCH = "Un caf\xe9 tr\xe8s bon, \u201cexcellent\u201d na\xefve\n"


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.txt"


def fails(path, encoding=""):
    with pytest.raises(DataError) as caught:
        list(Lines(path, encoding))
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(path), "FILE")


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_marks_and_encodings_that_show(path, encoding, compress):
    text = "One \u2028 \u4f60\n\0two\r\nthr\ree \x85\n\nlast"
    lines = Lines(write(path, compress(text.encode(encoding))))
    expected = [
        "One \u2028 \u4f60\n", "\0two\r\n", "thr\ree \x85\n", "\n", "last"
    ]  # fmt: skip
    assert list(lines) == list(lines) == expected
    assert lines.notes() == []
    big = b"\xfe\xff" + text.encode("utf-16-be")
    assert list(Lines(write(path, big))) == expected


def test_marks_of_files_that_were_joined(path):
    write(path, "one\n".encode("utf-8-sig") * 2)
    assert list(Lines(path)) == ["one\n", "one\n"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_lines_of_an_old_mac(path, encoding):
    write(path, "on\xe9\r\rtwo\r".encode(encoding))
    named = encoding if encoding == "cp1252" else ""
    assert list(Lines(path, named)) == ["on\xe9\n", "\n", "two\n"]


def test_a_handful_of_broken_bytes_is_repaired_and_counted(path):
    write(path, b"caf\xe9\nna\xefve \xff\nfine \xef\xbf\xbd\n" + b"x\n" * 9)
    lines = Lines(path)
    assert list(lines)[:3] == [
        "caf\ufffd\n",
        "na\ufffdve \ufffd\n",
        "fine \ufffd\n",
    ]
    assert lines.repaired == 3
    assert lines.notes() == [
        f"{path}: 3 broken bytes, which are not UTF-8, replaced, the first on "
        "line 1; if it is cp1252, add --encoding cp1252"
    ]
    assert Lines(path).notes() == []


def test_another_encoding_is_refused_and_guessed(path):
    write(path, b"fine\n" * 50 + FRENCH.encode("cp1252") * 20)
    assert fails(path) == (
        "FILE:51: is not UTF-8, 15 broken bytes begin here; if it is cp1252, "
        "add --encoding cp1252, save it as UTF-8, or have them replaced by "
        "--encoding utf-8"
    )
    lines = Lines(path, "cp1252")
    assert list(lines)[50:] == [FRENCH] * 20
    assert lines.repaired == 0
    lines = Lines(path, "utf-8")
    assert len(list(lines)) == 70
    assert lines.repaired == 100
    # One short line is enough, if it has more than a few.
    assert "if it is cp1252" in fails(write(path, FRENCH.encode("cp1252")))


def test_a_few_in_a_long_file_are_a_handful(path):
    write(path, (b"fine\n" * 999 + b"caf\xe9\n") * 30)
    lines = Lines(path)
    assert sum(1 for _ in lines) == 30_000
    assert lines.repaired == 30


def test_what_is_not_in_the_encoding_that_is_named(path):
    write(path, b"caf\xe9 \x81\n" * 12)
    assert fails(path, "cp1252") == (
        "FILE:1: is not CP1252, 11 broken bytes begin here; add --encoding "
        "with its encoding, save it as UTF-8, or have them replaced by "
        "--encoding utf-8"
    )
    write(path, "one".encode("utf-16-le"))
    assert (
        fails(path, "utf-16") == "FILE:1: UTF-16 stream does not start with BOM"
    )
    for name in ("latin2000", "base64", "a\0"):
        with pytest.raises(DataError, match="there is no such encoding; exp"):
            Lines(path, name)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "cp1252"),
        ("Gr\xf6\xdfe und Stra\xdfe, \u20ac 5", "cp1252"),
        ("Очень хороший фильм, мне понравилось", "cp1251"),
        ("这部电影非常好看,我喜欢", "gb18030"),
    ],
)
def test_guess(text, encoding):
    assert guess(text.encode(encoding)) == encoding
    assert guess(b"") == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "FILE: the file is empty"),
        (gzip.compress(b"", mtime=0), "FILE: the file is empty"),
        (
            b"PK\x03\x04\x14",
            "FILE: is a zip file or an Excel workbook; save it as CSV in UTF-8",
        ),
        (b"PAR1", "FILE: is a Parquet file; let its name end in .parquet"),
        (
            bz2.compress(b"text,label\n"),
            "FILE: is a bzip2 file; unpack it, or pack it by gzip",
        ),
        (
            lzma.compress(b"text,label\n"),
            "FILE: is an xz file; unpack it, or pack it by gzip",
        ),
        *(
            (
                pickle.dumps({"text": ["a"]}, protocol),
                "FILE: is a pickle file; save it as CSV in UTF-8, or as "
                "Parquet",
            )
            for protocol in (2, pickle.HIGHEST_PROTOCOL)
        ),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "FILE: is a pointer of Git LFS; run git lfs pull",
        ),
    ],
)
def test_what_is_no_text(path, content, message):
    assert fails(write(path, content)) == message


def test_endless_lines(path, monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 1000)
    for encoding in ("utf-8", "utf-16"):
        write(path, ("{}\n" + "\u4f60" * 5000).encode(encoding))
        assert fails(path) == (
            "FILE:2: the line is longer than 1,000 bytes; expected one record "
            "per line of text"
        )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("word", ["\u4f60", "\u4f60" * 999])
def test_long_lines_in_parts(path, monkeypatch, encoding, word):
    monkeypatch.setattr(module, "LONGEST", 100)
    text = f"short\n{' '.join([word] * 99)}\nlast"
    write(path, text.encode(encoding))
    lines = list(Lines(path, parts=True))
    assert "".join(lines) == text
    assert max(map(len, lines)) <= 100
    if len(word) > 1:
        return
    assert all(line[-1] in " \n" for line in lines[:-1])
    with gzip.open(path, "wb") as file:
        file.write(text.encode(encoding))
    write(path, path.read_bytes()[:-8])
    with pytest.raises(DataError, match=r"a.txt:3: the gzip file"):
        list(Lines(path, parts=True))


def test_chunks_end_at_so_many_texts_or_letters():
    texts = ["a", "bb", "cccc", "d", "e", "f"]
    sizes = [len(chunk) for chunk in in_chunks(texts, 3, 5)]
    assert sizes == [3, 3]
    assert next(in_chunks(texts, 9, 3)) == ["a", "bb"]
    assert list(in_chunks([], 1, 1)) == []


def test_a_stream(tmp_path):
    stream = io.BufferedReader(io.BytesIO("\ufeffone\ntwo".encode()))
    assert list(Lines("standard input", stream=stream)) == ["one\n", "two"]


def test_decode():
    assert decode(b"caf\xc3\xa9 \xef\xbf\xbd") == ("caf\xe9 \ufffd", 0)
    assert decode(b"caf\xe9 \xef\xbf\xbd") == ("caf\ufffd \ufffd", 1)


def test_gzip_bombs(path, monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 2**18)
    write(path, gzip.compress(b"\n" * 2**20))
    assert fails(path) == (
        "FILE: unpacks to more than 500 times its size, which no text does"
    )
    # A table as even as any has a few letters that differ in each line.
    text = "".join(f"a.mp4,{n},background\n" for n in range(50_000))
    write(path, gzip.compress(text.encode()))
    assert "".join(Lines(path)) == text
