"""What a training shows: samples, pictures, the report, the summary."""

from apps.common import report, samples
from apps.common.tensorboard import write_projector
from data_pipelines import captioning as pipeline
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


class Samples(samples.Samples):
    """Each epoch: captions of some validation pictures.

    TensorBoard shows some of the pictures with what the decoder attends to.

    Args:
        run: The `runs.Run`.
        data: The `Datasets`.
        validation: The `evaluate.Validation` that has just described them.
    """

    def __init__(self, run, data, validation):
        super().__init__(run, ("picture", "reference", "caption"))
        self.validation = validation
        self.split = data.valid
        self.rows = samples.spread(len(data.valid), SAMPLES)

    def lines(self, epoch):
        return [
            (
                self.split.pictures[row].name,
                self.split.pictures[row].captions[0],
                self.validation.captions[row].text,
            )
            for row in self.rows
        ]

    def pictures(self, epoch):
        return {
            f"captions/{number}": self._drawn(row)
            for number, row in enumerate(self.rows[:PICTURES], 1)
        }

    def _drawn(self, row):
        """Return a picture with its caption and the attention, PNG bytes."""
        captioner = self.validation.captioner
        caption = self.validation.captions[row]
        picture = images.read(self.split.pictures[row].path, captioner.size)
        inputs = self.split.example_input(row)[None]
        weights = captioner.attention(inputs, [caption])
        # In the picture, since TensorBoard keeps the first description only.
        if weights:
            return _strip(picture, weights[0])
        return attention.titled(picture, caption.text)


def _strip(picture, words_and_weights):
    """Return PNG bytes of where the decoder looked, `None` if nowhere."""
    if words_and_weights is None:
        return None
    words, weights = words_and_weights
    # The last token is the end, which is about nothing.
    return attention.strip(picture, words[:-1], weights[:-1])


def write_report(run, captioner, data, result):
    """Write `report.html` with its pictures, and the words' projector.

    Args:
        run: The `runs.Run`.
        captioner: The `Captioner` with the best weights.
        data: The `Datasets`.
        result: The `runs.Result`; its predictions are the `Hypothesis` of
            every test picture.
    """
    rows = slice(4, 4 + PROJECTED_TOKENS)  # without the specials
    vectors = captioner.decoder.embedding.get_weights()[0]
    write_projector(run, vectors[rows], captioner.tokenizer.pieces[rows])
    curve = report.curve(result.progress.rows, ["loss", "perplexity", "cider"])
    run.file("curve.png").write_bytes(curve)
    body = [
        f"<p>Scores on the test set: {len(data.test):,} pictures.</p>",
        report.html_table(
            {run.name: result.scores, **result.baselines},
            columns(result.scores),
        ),
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
    articles = [
        _tested(captioner, data.test, row, result.predictions[row])
        for row in samples.spread(len(data.test), SAMPLES)
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
        captions: List of `Hypothesis`, the best first.
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


def summary(run, data, result):
    """Print scores beside baselines, three captions, and what is next."""
    print(f"\nscores on the test set ({len(data.test):,} pictures)")
    rows = {run.name: result.scores, **result.baselines}
    print(report.table(rows, columns(result.scores)))
    for row in range(min(3, len(data.test))):
        print(f"""
picture    {data.test.pictures[row].name}
caption    {result.predictions[row].text}
reference  {data.test.pictures[row].captions[0]}""")
    print(f"""
next
  make predict-captioning ARGS="photo.jpg folder/ --page captions.html"
  make train-captioning ARGS="--cell peephole_lstm --conditioning every_step"
  make train-captioning \\
    ARGS="--preset photos --dataset files --data-path FOLDER --encoder x.keras"
  make tensorboard
  open {run.file("report.html")}, with pictures""")
