"""Write a run's SavedModel: raw sentences in, labels and spans out.

    make export-tagging ARGS="--run demo-lstm"

Training has written it already; this writes it again, for instance after a
change to what it returns. It needs nothing but tensorflow:

    served = tf.saved_model.load("runs/tagging/demo-lstm/export/1")
    served.serve(tf.constant(["play blue river in the kitchen"]))["tags"]

`--format onnx,litert` writes networks for other runtimes: `docs/formats.md`.
"""

from apps.common import cli

from .config import ExportOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

import rnn_layers
from apps.common import export, networks, runs
from apps.common.networks import Network, Portable, Tensor
from data_pipelines.tagging.features import Tokens, tokenize
from data_pipelines.tagging.schemes import OUTSIDE, are_spans, parts, spans

from . import evaluate, onnx_paths
from .config import Config
from .predict import Decoder, Predictor
from .trees import repaired

EXAMPLES = [
    text.encode()
    for text in (
        "play slow blue river in the living room at seven",
        "What's new? 3.50 dollars, please.",
        "",
        "   ",
        "\u2028\u200b",
        "Ünïcödé <br /> 映画 \u2014 words that nobody has ever seen: qwxyzzq",
    )
] + [b"br\xff\xfeken \xe9 byt\xe2\x82", b"\xff", b"a\x00b"]


@rnn_layers.plain_loops()
def write(run: runs.Run, predictor: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `text (N,)` strings to a dict of, all with the batch
    first, T the words of the longest: `words`, `tags`, strings, `starts`,
    `ends`, by characters, `probabilities`, `(N, T)`; of spans `span_labels`,
    `span_starts`, `span_ends`, `(N, S)`; if there are intents `intent` and
    `intent_probability (N,)`; in a parse, in place of tags and spans, `heads`
    of a tree (see `trees.repaired`), `relations`, and `pos` if the run knows
    parts of speech. Short rows are filled with "" and 0. `status (N,)` is "ok",
    "repaired" where bytes were not UTF-8, or "empty" where a text has no word.

    A run that reads further columns is given `words (N, T)` in place of `text`,
    and beside them each column by its name, `(N, T)` strings, filled with "" on
    the right; there all places are those of words.
    """
    known, model = predictor.known, predictor.decoder.model
    decoder = Decoder(
        model, known.labels, known.intents, known.pos, eager=True, exact=False
    )
    with_spans = not decoder.is_parse and are_spans(known.labels)

    def serve(texts):
        tokens = tokenize(texts, known.features.words)
        return answer(texts, tokens)

    def serve_columns(*parts):
        valid, lengths = _as_utf8(parts)
        words, *columns = (
            tf.RaggedTensor.from_tensor(part, lengths) for part in valid
        )
        places = words.with_flat_values(tf.ragged.range(lengths).flat_values)
        same = [tf.strings.reduce_join(part, axis=1) for part in parts]
        return answer(
            tf.strings.join(same), Tokens(words, places, places + 1), *columns
        )

    def answer(texts, tokens, *columns):
        inputs = known.features.of_texts(tokens.words, *columns)
        lengths = tf.cast(tokens.words.row_lengths(), tf.int32)
        real = tf.sequence_mask(lengths, tf.shape(inputs[0])[1])  # N T
        by_word, answer = _answer(decoder, inputs, lengths)
        for name, values in by_word.items():
            filler = tf.constant("" if values.dtype == tf.string else 0)
            values = tf.where(real, values, tf.cast(filler, values.dtype))
            answer[name] = values[:, : tf.reduce_max(lengths)]
        answer |= {
            "words": tokens.words.to_tensor(""),
            "starts": tokens.starts.to_tensor(),
            "ends": tokens.ends.to_tensor(),
            "status": export.text_status(texts, lengths == 0),
        }
        if with_spans:
            answer |= _spans(answer, known.labels)
        return answer

    names, shape, examples = ["text"], (None,), tf.constant(EXAMPLES)
    if predictor.columns:
        names, shape = ["words", *predictor.columns], (None, None)
        examples = tf.strings.split(examples).to_tensor("")
    export.write(
        run,
        model,
        serve_columns if predictor.columns else serve,
        [tf.TensorSpec(shape, tf.string, name=name) for name in names],
        predict=lambda *given: _predicted(predictor, decoder, *given),
        track=known.features.tables,
        examples=[[examples] * len(names)],
    )


def _as_utf8(parts):
    """Return words and columns as UTF-8, and the words of each row."""
    parts = [tf.strings.unicode_transcode(p, "UTF-8", "UTF-8") for p in parts]
    return parts, tf.reduce_sum(tf.cast(parts[0] != "", tf.int32), axis=1)


def _answer(decoder, inputs, lengths):
    """Return what is said by name: of each word, and of the whole text."""
    names = tf.constant(decoder.labels)
    if decoder.is_parse:
        arcs, *_ = decoder.answer(*inputs, tf.zeros_like(inputs[0]))
        heads = repaired(arcs, lengths)
        _, relations, *pos = decoder.answer(*inputs, heads)
        by_word = {
            "heads": heads,
            "relations": tf.gather(names, tf.argmax(relations, axis=-1)),
            "probabilities": tf.reduce_max(relations, axis=-1),
        }
        if pos:
            best = tf.argmax(pos[0], axis=-1)
            by_word["pos"] = tf.gather(tf.constant(decoder.pos), best)
        return by_word, {}
    path, probabilities, *intents = decoder.answer(*inputs)
    more = {}
    if intents:
        empty = lengths == 0
        best = tf.gather(decoder.intents, tf.argmax(intents[0], axis=-1))
        more["intent"] = tf.where(empty, "", best)
        certain = tf.reduce_max(intents[0], axis=-1)
        more["intent_probability"] = tf.where(empty, 0.0, certain)
    tags = tf.gather(names, tf.maximum(path, 0))
    return {"tags": tags, "probabilities": probabilities}, more


def _spans(answer, labels):
    """Return the spans of labels `(N, T)`, as `schemes.spans` has them."""
    names = [OUTSIDE, *labels]
    pairs = list(map(parts, names))
    kinds = list(dict.fromkeys(kind for _, kind in pairs))
    # Whether a label is outside, goes on, may be gone on with; its type.
    outside, on, open_ = (
        tf.constant([prefix in of for prefix, _ in pairs])
        for of in (OUTSIDE, "IE", "BI")
    )
    kind_of = tf.constant([kinds.index(kind) for _, kind in pairs])
    is_label = answer["tags"][..., None] == tf.constant(labels)  # N T K
    index = tf.reduce_sum(
        tf.cast(is_label, tf.int32) * tf.range(1, len(labels) + 1), axis=-1
    )
    before = tf.pad(index[:, :-1], [[0, 0], [1, 0]])
    goes_on = (
        tf.gather(on, index)
        & tf.gather(open_, before)
        & (tf.gather(kind_of, index) == tf.gather(kind_of, before))
    )
    inside = ~tf.gather(outside, index)
    begins = inside & ~goes_on
    ends = inside & ~tf.pad(goes_on[:, 1:], [[0, 0], [0, 1]])

    def where(values, mask, filler):
        return tf.ragged.boolean_mask(values, mask).to_tensor(filler)

    types = tf.gather(tf.constant(kinds), tf.gather(kind_of, index))
    return {
        "span_labels": where(types, begins, ""),
        "span_starts": where(answer["starts"], begins, 0),
        "span_ends": where(answer["ends"], ends, 0),
    }


def _predicted(predictor, decoder, texts, *values):
    """Return what `predict` says, in the form of the export."""
    # TensorFlow and Python replace broken bytes one by one, or together.
    if values:
        parts, _ = _as_utf8((texts, *values))
        words, *values = (
            [[v.decode("utf-8") for v in row if v] for row in part.numpy()]
            for part in parts
        )
        places = [[(n, n + 1) for n in range(len(own))] for own in words]
    else:
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        texts = [text.decode("utf-8") for text in texts.numpy()]
        places = predictor.tokenize(texts)
        words = [
            [text[a:b] for a, b in own]
            for text, own in zip(texts, places, strict=True)
        ]
    answered = iter(
        Predictor(decoder, predictor.known)(
            [own for own in words if own],
            [[own for own in part if own] for part in values],
        )
    )
    rows = [next(answered) if own else None for own in words]
    columns = {
        "words": [[w.encode() for w in own] for own in words],
        "starts": [[a for a, _ in own] for own in places],
        "ends": [[b for _, b in own] for own in places],
        "probabilities": [row.probabilities if row else [] for row in rows],
    }
    tags = [row.tags if row else [] for row in rows]
    key = "relations" if decoder.is_parse else "tags"
    columns[key] = [[tag.encode() for tag in own] for own in tags]
    if decoder.is_parse:
        columns["heads"] = [row.heads if row else [] for row in rows]
        if decoder.pos:
            columns["pos"] = [
                [pos.encode() for pos in row.pos] if row else [] for row in rows
            ]
    elif are_spans(predictor.known.labels):
        edges = [
            [
                (p[s.start][0], p[s.end - 1][1], s.type.encode())
                for s in spans(t)
            ]
            for p, t in zip(places, tags, strict=True)
        ]
        for name, part in (("starts", 0), ("ends", 1), ("labels", 2)):
            columns[f"span_{name}"] = [[e[part] for e in own] for own in edges]
    fillers = dict.fromkeys(("words", key, "pos", "span_labels"), b"")
    fillers["probabilities"] = 0.0
    answer = {
        name: _padded(rows_of, fillers.get(name, 0))
        for name, rows_of in columns.items()
    }
    if decoder.intents:
        answer["intent"] = [row.intent.encode() if row else b"" for row in rows]
        answer["intent_probability"] = [
            row.intent_probability if row else 0.0 for row in rows
        ]
    return answer


def _padded(rows, filler):
    """Return rows of different lengths as an array, filled up."""
    longest = max(map(len, rows))
    rows = [row + [filler] * (longest - len(row)) for row in rows]
    kind = object if isinstance(filler, bytes) else type(filler)
    return np.array(rows, kind).reshape(len(rows), longest)


def portable(run: runs.Run, predictor: Predictor) -> Portable:
    """Return the tagger for other runtimes: ids to scores of labels.

    What makes labels of them, and probabilities, is `paths.py` beside it.
    """
    known, decoder = predictor.known, predictor.decoder
    inputs, examples = _inputs(known)
    files = {
        "vocabulary.txt": "words",
        "characters.txt": "characters",
        "labels.txt": "relations" if decoder.is_parse else "labels",
        **{
            f"feature_{name}.txt": f"values of the column {name}"
            for name in predictor.columns
        },
    }
    settings = {"words": known.features.words.kind}
    sizes = {"characters": known.features.max_characters}
    if decoder.is_parse:
        outputs = {
            "arcs": "scores of heads, the root first",
            "heads": "each word's best one, 0 is the root; it may be no tree",
            "relations": "their probabilities, given these heads",
        }
        if decoder.pos:
            files["pos.txt"] = "parts of speech"
            outputs["pos"] = "scores of them"

        def parse(*inputs):
            arcs, *_ = decoder.scores_of_heads(
                *inputs, tf.zeros_like(inputs[0])
            )
            heads = tf.argmax(arcs, axis=-1, output_type=tf.int32)
            _, *others = decoder.scores_of_heads(*inputs, heads)
            return dict(zip(outputs, (arcs, heads, *others), strict=True))

        return Portable(
            [Network("parser", parse, inputs, outputs, examples)],
            files,
            settings,
            sizes=sizes,
            score=lambda folder: score(run, predictor, folder),
        )
    outputs = {"scores": "of the labels, for paths.py"}
    if known.intents:
        files["intents.txt"] = "intents"
        outputs["intents"] = "their probabilities"

    def tag(*inputs):
        scores = decoder.model(inputs, training=False)
        scores = scores if known.intents else [scores]
        return dict(zip(outputs, scores, strict=True))

    weights = decoder.model.get_layer("crf").log_weights()
    for name, weight in zip(
        ("start", "transitions", "end"), weights, strict=True
    ):
        settings[name] = np.asarray(weight).tolist()
    return Portable(
        [Network("tagger", tag, inputs, outputs, examples)],
        files,
        settings,
        {"paths.py": Path(__file__).with_name("onnx_paths.py")},
        sizes,
        score=lambda folder: score(run, predictor, folder),
    )


def score(run: runs.Run, predictor: Predictor, folder: Path) -> dict:
    """Return the share of right words, or heads, of some sentences of valid."""
    config = run.config(Config)
    path = config.data_path or None
    data = evaluate.datasets(predictor, config, config.dataset, path, config)
    (file,) = folder.glob("*.onnx")
    signature = json.loads((folder / "signature.json").read_text("utf-8"))
    network, right = networks.Written(file), []
    names = [tensor.name for tensor in _inputs(predictor.known)[0]]
    for inputs, targets in networks.examples(data.valid):
        answer = network(**dict(zip(names, inputs, strict=False)))
        targets = targets if isinstance(targets, np.ndarray) else targets[0]
        lengths = np.count_nonzero(inputs[0], axis=1)
        for row, length in enumerate(lengths):
            if predictor.decoder.is_parse:
                labels = answer["heads"][row, :length]
            else:
                labels = onnx_paths.best_path(
                    answer["scores"][row, :length], signature["settings"]
                )
            right += [*np.equal(labels, targets[row, :length])]
    return {"accuracy": float(np.mean(right))}


def _inputs(known):
    """Return what a network reads, and examples of it."""
    inputs = [
        Tensor(
            name,
            ("batch", "words", *rest),
            "int32",
            f"{meaning}; 0 behind the last one",
        )
        for name, rest, meaning in (
            ("word_ids", (), "lines of vocabulary.txt from 0 on"),
            ("shape_ids", (), "shapes: data_pipelines/tagging/features.py"),
            (
                "character_ids",
                ("characters",),
                "lines of characters.txt from 0 on",
            ),
            *(
                (f"{name}_ids", (), f"lines of feature_{name}.txt from 0 on")
                for name in known.features.columns
            ),
        )
    ]
    texts = ["play slow blue river in 3 rooms", "What's new?"]
    tokens = tokenize(tf.constant(texts), known.features.words)
    # Of further columns there are no values that are known for sure.
    columns = [tokens.words] * len(known.features.columns)
    example = known.features.of_texts(tokens.words, *columns)
    example = [np.asarray(x) for x in example]
    one = [x[1:, :2] for x in example]
    return inputs, [tuple(example), tuple(one)]


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("tagging", options.run, options.runs_path)
    predictor = Predictor.of_run(run)
    networks.write(
        run,
        options,
        lambda: write(run, predictor),
        lambda: portable(run, predictor),
        rnn_layers.plain_loops,
    )


if __name__ == "__main__":
    cli.main(lambda: main(options))
