"""What a training shows: samples, pictures, the report, the summary."""

import keras
import numpy as np
import tensorflow as tf

from apps.common import report
from apps.common.tensorboard import write_projector
from data_pipelines import captioning as pipeline
from data_pipelines.files.atomic import replacing
from data_pipelines.vision import images

from . import attention, page

SAMPLES = 24
PICTURES = 6
PROJECTED_TOKENS = 3000
METRICS = (
    "bleu_1",
    "bleu_4",
    "bleu_4_greedy",
    "rouge_l",
    "cider",
    "perplexity",
    "right",
)


class Samples(keras.callbacks.Callback):
    """Each epoch: captions of some validation pictures.

    They go to `samples.txt` and TensorBoard, and to TensorBoard some of the
    pictures with what the decoder looked at.

    Args:
        run: The `runs.Run`.
        data: The `Datasets`.
        validation: The `evaluate.Validation` that has just described them.
    """

    def __init__(self, run, data, validation):
        super().__init__()
        self.file = run.file("samples.txt")
        self.validation = validation
        self.split = data.valid
        rows = np.linspace(0, len(data.valid) - 1, SAMPLES).astype(int)
        self.rows = np.unique(rows)
        self.writer = tf.summary.create_file_writer(
            str(run.file("tensorboard") / "validation"),
            filename_suffix=".shown",
        )

    def on_epoch_end(self, epoch, logs=None):
        lines = [
            (
                self.split.pictures[row].name,
                self.split.pictures[row].captions[0],
                self.validation.captions[row].text,
            )
            for row in self.rows
        ]
        with self.writer.as_default(epoch + 1):
            tf.summary.text("samples", "\n".join(_markdown(lines)))
            for number, row in enumerate(self.rows[:PICTURES], 1):
                self._draw(f"captions/{number}", row)
        self.writer.flush()
        self._write(epoch + 1, lines)

    def _draw(self, tag, row):
        """Show a picture, its caption, and where the decoder looked."""
        captioner = self.validation.captioner
        caption = self.validation.captions[row]
        picture = images.read(self.split.pictures[row].path, captioner.size)
        inputs = self.split.example_input(row)[None]
        weights = captioner.attention(inputs, [caption])
        # In the picture, since TensorBoard keeps the first description only.
        if weights:
            png = _strip(picture, weights[0])
        else:
            png = attention.titled(picture, caption.text)
        image = tf.io.decode_png(png, channels=3)
        tf.summary.image(tag, image[None])

    def _write(self, epoch, lines):
        """Write the epoch's lines behind those of the epochs before."""
        begin = f"epoch {epoch}\n"
        before = ""
        if self.file.exists():  # a killed run may have written them already
            before = self.file.read_text("utf-8").split(begin)[0]
        block = "".join("\t".join(line) + "\n" for line in lines)
        with replacing(self.file) as temporary:
            temporary.write_text(before + begin + block + "\n", "utf-8")

    def on_train_end(self, logs=None):
        self.writer.close()


def _strip(picture, words_and_weights):
    """Return PNG bytes of where the decoder looked, `None` if nowhere."""
    if words_and_weights is None:
        return None
    words, weights = words_and_weights
    # The last token is the end, which is about nothing.
    return attention.strip(picture, words[:-1], weights[:-1])


def _markdown(lines):
    yield "| picture | reference | caption |"
    yield "|---|---|---|"
    for line in lines:
        yield "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |"


def write_report(run, captioner, data, metrics, baselines, captions, progress):
    """Write `report.html` with its pictures, and the words' projector.

    Args:
        run: The `runs.Run`.
        captioner: The `Captioner` with the best weights.
        data: The `Datasets`.
        metrics: Dict of test scores.
        baselines: Dict of dicts of the same scores.
        captions: The `Caption` of every test picture.
        progress: The `checkpoint.Progress`.
    """
    rows = slice(4, 4 + PROJECTED_TOKENS)  # without the specials
    vectors = captioner.decoder.embedding.get_weights()[0]
    write_projector(run, vectors[rows], captioner.tokenizer.pieces[rows])
    curve = report.curve(progress.rows, ["loss", "perplexity", "cider"])
    run.file("curve.png").write_bytes(curve)
    body = [
        f"<p>Test split of {len(data.test):,} pictures, read once.</p>",
        report.html_table({run.name: metrics, **baselines}, columns(metrics)),
        "<h2>Training</h2>"
        + report.image(curve, "loss, perplexity and CIDEr over the epochs"),
        "<h2>Test pictures</h2><p>Evenly spread over the split: the caption,"
        " then what people say"
        + (
            ".  Below: what the decoder looked at while it wrote each word.</p>"
            if captioner.decoder.has_attention
            else ".</p>"
        ),
    ]
    rows = np.linspace(0, len(data.test) - 1, SAMPLES).astype(int)
    articles = [
        _tested(captioner, data.test, row, captions[row])
        for row in np.unique(rows)
    ]
    body.append(page.gallery(articles))
    report.write_page(run.file("report.html"), run.name, "\n".join(body))


def _tested(captioner, split, row, caption):
    """Return a picture of the test split as HTML."""
    weights = captioner.attention(split.example_input(row)[None], [caption])
    facts, wrong = split.facts[row], None
    if facts is not None:
        wrong = pipeline.facts(caption.text) != facts
    picture = split.pictures[row]
    return article(
        picture.path,
        images.read(picture.path, captioner.size),
        [caption],
        weights and weights[0],
        picture.captions,
        wrong,
    )


def article(path, picture, captions, weights, references=(), wrong=None):
    """Return one picture and its captions as HTML.

    Args:
        path: Its file.
        picture: uint8 `(H, W, 3)`, in the size of the model.
        captions: List of `Caption`, the best first.
        weights: `(words, weights)` of the best, or `None`.
        references: What people say.
        wrong: Whether the best caption is wrong; `None` if nobody knows.
    """
    return page.article(
        images.content(path),
        images.printable(path.name),
        [(caption.text, caption.score) for caption in captions],
        references,
        _strip(picture, weights),
        wrong,
    )


def write_captions(path, title, articles):
    """Write a page of pictures with their captions."""
    report.write_page(path, title, page.gallery(articles))


def columns(metrics):
    """Return the names of the scores that this run has."""
    return [name for name in METRICS if name in metrics]


def summary(run, record, data, captions, difference):
    """Print scores beside baselines, three captions, and what is next."""
    print(f"\ntest split, {len(data.test):,} pictures, read once")
    rows = {record["run"]: record["metrics"], **record["baselines"]}
    print(report.table(rows, columns(record["metrics"])))
    if difference is not None:
        print(f"\nexport/ agrees with the live model to {difference:.1e}")
    for row in range(min(3, len(data.test))):
        print(f"""
picture    {data.test.pictures[row].name}
caption    {captions[row].text}
reference  {data.test.pictures[row].captions[0]}""")
    print(f"""
next
  make predict-captioning ARGS="photo.jpg folder/ --page captions.html"
  make train-captioning ARGS="--cell peephole_lstm --conditioning every_step"
  make train-captioning \\
    ARGS="--preset photos --dataset files --data-path FOLDER --encoder x.keras"
  make tensorboard
  open {run.file("report.html")}, with pictures""")
