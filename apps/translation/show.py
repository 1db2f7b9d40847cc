"""What a training of this app shows: samples, pictures, the last words."""

import html

import keras
import numpy as np
import tensorflow as tf

from apps.common import report
from apps.common.tensorboard import write_projector
from data_pipelines.files.atomic import replacing

SAMPLES = 12
PICTURES = 3
PROJECTED_TOKENS = 3000
SCORES = ("bleu", "chrf", "bleu_greedy", "perplexity", "exact_match")


class Samples(keras.callbacks.Callback):
    """Each epoch: translations of some validation sentences.

    They go to `samples.txt` and TensorBoard, and to TensorBoard what some of
    them looked at.

    Args:
        run: The `runs.Run`.
        data: The `Datasets`.
        validation: The `evaluate.Validation` that has just translated.
    """

    def __init__(self, run, data, validation):
        super().__init__()
        self.file = run.file("samples.txt")
        self.validation = validation
        rows = np.linspace(0, len(data.valid) - 1, SAMPLES).astype(int)
        self.rows = np.unique(rows)
        self.sources = [data.valid.source(row) for row in self.rows]
        self.targets = [data.valid.target(row) for row in self.rows]
        self.writer = tf.summary.create_file_writer(
            str(run.file("tensorboard") / "validation"),
            filename_suffix=".shown",
        )

    def on_epoch_end(self, epoch, logs=None):
        found = [self.validation.translations[row] for row in self.rows]
        lines = [
            (source, target, translation.text)
            for source, target, translation in zip(
                self.sources, self.targets, found, strict=True
            )
        ]
        with self.writer.as_default(epoch + 1):
            tf.summary.text("samples", "\n".join(_markdown(lines)))
            if self.validation.translator.attends:
                self._draw(found[:PICTURES])
        self.writer.flush()
        self._write(epoch + 1, lines)

    def _draw(self, translations):
        attention = self.validation.translator.attention(
            self.sources[: len(translations)], translations
        )
        for number, looked in enumerate(attention, 1):
            picture = report.attention_picture(*looked)
            image = tf.io.decode_png(picture, channels=3)
            tf.summary.image(f"attention/{number}", image[None])

    def _write(self, epoch, lines):
        """Writes the epoch's lines behind those of the epochs before."""
        begin = f"epoch {epoch}\n"
        before = ""
        if self.file.exists():  # a killed run may have written them already
            before = self.file.read_text("utf-8").split(begin)[0]
        block = "".join("\t".join(line) + "\n" for line in lines)
        with replacing(self.file) as temporary:
            temporary.write_text(before + begin + block + "\n", "utf-8")

    def on_train_end(self, logs=None):
        self.writer.close()


def _markdown(lines):
    yield "| source | reference | translation |"
    yield "|---|---|---|"
    for line in lines:
        yield "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |"


def write_report(run, translator, data, scores, baselines, found, progress):
    """Writes `report.html` with its pictures, and the tokens' projector.

    Args:
        run: The `runs.Run`.
        translator: The `Translator` with the best weights.
        data: The `Datasets`.
        scores: Dict of test scores.
        baselines: Dict of dicts of the same scores.
        found: The `Translation` of every test sentence.
        progress: The `checkpoint.Progress`.
    """
    chosen = slice(4, 4 + PROJECTED_TOKENS)  # without the specials
    vectors = translator.steps.embedding.get_weights()[0]
    write_projector(run, vectors[chosen], translator.target.pieces[chosen])
    curve = report.curve(progress.rows, ["loss", "bleu"])
    run.file("curve.png").write_bytes(curve)
    body = [
        f"<p>Test split of {len(data.test):,} pairs, read once.</p>",
        report.html_table({run.name: scores, **baselines}, SCORES),
        "<h2>Training</h2>"
        + report.image(curve, "loss and BLEU over the epochs"),
        "<h2>Test sentences</h2><p>Evenly spread over the split.  Below each"
        " translation: which tokens of the source (columns) each token of the"
        " translation (rows) looked at, the darker, the more; \u2581 is a"
        " space.</p>",
    ]
    rows = np.linspace(0, len(data.test) - 1, SAMPLES).astype(int)
    for row in np.unique(rows):
        body.append(
            article(
                translator,
                data.test.source(row),
                [found[row]],
                data.test.target(row),
            )
        )
    if translator.attends:
        looked = translator.attention([data.test.source(0)], [found[0]])[0]
        picture = report.attention_picture(*looked)
        run.file("attention.png").write_bytes(picture)
    report.write_page(run.file("report.html"), run.name, "\n".join(body))


def article(translator, source, translations, reference=None):
    """Returns one sentence and its translations as HTML, with attention."""
    lines = [f"<header>{html.escape(source)}</header>"]
    for translation in translations:
        lines.append(
            f"<p>{html.escape(translation.text)}"
            f" <small>{translation.score:.3f}</small></p>"
        )
    if reference is not None:
        same = reference.split() == translations[0].text.split()
        verdict = "the reference, word for word" if same else reference
        lines.append(f"<p><em>{html.escape(verdict)}</em></p>")
    if translator.attends:
        looked = translator.attention([source], translations[:1])[0]
        picture = report.attention_picture(*looked)
        lines.append(report.image(picture, "attention"))
    return "<article>" + "".join(lines) + "</article>"


def write_translations(path, title, translator, shown):
    """Writes a page of sentences with their translations.

    Args:
        path: The file.
        title: Of the page.
        translator: The `Translator`.
        shown: List of pairs: a sentence, and the list of its translations.
    """
    articles = [article(translator, text, best) for text, best in shown]
    report.write_page(path, title, "\n".join(articles))


def summary(run, translator, record, data, found, difference):
    """Prints scores beside baselines, three translations, and what is next."""
    print(f"\ntest split, {len(data.test):,} pairs, read once")
    rows = {record["run"]: record["metrics"], **record["baselines"]}
    print(report.table(rows, SCORES))
    for name, signature in record["signatures"].items():
        print(f"{name}: {signature}")
    if difference is not None:
        print(f"\nexport/ agrees with the live model to {difference:.1e}")
    for row in range(min(3, len(data.test))):
        print(f"""
source       {data.test.source(row)}
translation  {found[row].text}
reference    {data.test.target(row)}""")
    print(f"""
next
  make predict-translation ARGS="--n-best 3 --scores 'a sentence of yours'"
  make train-translation ARGS="--cell peephole_lstm"
  make train-translation \\
    ARGS="--dataset files --data-path FOLDER --languages en-de"
  make tensorboard
  open {run.file("report.html")}, with attention pictures""")
