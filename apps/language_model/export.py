"""Write a run's SavedModel: beginnings in, continuations and scores out.

    make export-language-model ARGS="--run demo-lstm"

Training has written it already; this writes it again. It needs nothing but
tensorflow, subwords included:

    served = tf.saved_model.load("runs/language_model/demo-lstm/export/1")
    answer = served.serve(tf.constant(["the old"]), length=20, temperature=0.8,
                          top_p=0.9, seed=1)
    answer["text"][0], answer["score"][0]
    served.score(tf.constant(["the old clocks turn ."]))["log_probability"]

`--format onnx,litert` writes networks for other runtimes: `docs/formats.md`.
"""

from apps.common import cli

from .config import ExportOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

from pathlib import Path

import numpy as np
import tensorflow as tf

import rnn_layers
from apps.common import export, generation, networks, runs
from apps.common.networks import Network, Portable, Tensor
from apps.common.search import Search

from . import evaluate
from .predict import Predictor

# Tokens that `greedy.py` writes unless told otherwise.
LENGTH = 40

EXAMPLES = [
    b"the old clock",
    "Ünïcödé \u2014 \u6620\u753b (words of no vocabulary: qwxyzzq)!".encode(),
    b"",
    b"br\xff\xfeken \xe9 byt\xe2\x82",
]

# Length, temperature, top_p and seed of what is compared. Cold, so that likely
# tokens are drawn: of rare ones many are about as likely as each other, and
# rounding would decide which is drawn.
REQUESTS = [(8, 0.3, 1.0, 3), (5, 0.3, 0.9, 4)]


@rnn_layers.plain_loops()
def write(run: runs.Run, predictor: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `text (N,)` strings, `length ()` int32, `temperature ()`
    and `top_p ()` float32, `seed ()` int32 to a dict of `text (N,)`, what
    follows, its `score (N,)`, log-probability in nats, and `status (N,)`: "ok",
    or "repaired" where bytes were not UTF-8. A row is as if it were alone.

    Signature `score`: `text (N,)` to `log_probability (N,)`, its end counted,
    and `tokens (N,)`.

    Signature `step`: `tokens (N,)` int32 and the states, `state_0 (N, U)`, ...,
    zeros at first, to `logits (N, V)` and the next states.
    """
    tokenizer, network = predictor.tokenizer, predictor.network

    def serve(text, length, temperature, top_p, seed):
        ids = tokenizer.encode_tensor(text)
        begins = tf.fill([ids.nrows(tf.int32), 1], predictor.begin)
        ids = tf.concat([begins, ids], axis=1)
        chances = tf.random.stateless_uniform(
            [tf.shape(text)[0], length], tf.stack([seed, 0])
        )
        search = _sampling(predictor, temperature, top_p)

        def one(row):
            own, chance = row
            decoded = predictor.continued(
                own[None], search, length, chance[None]
            )
            return decoded.tokens[0, 0], decoded.log_probabilities[0, 0]

        tokens, scores = tf.map_fn(
            one,
            (ids, chances),
            fn_output_signature=(
                tf.TensorSpec((None,), tf.int32),
                tf.TensorSpec((), tf.float32),
            ),
        )
        begun = tokenizer.decode_tensor(tokens, begin=False)
        anew = tokenizer.decode_tensor(tokens, begin=True)
        texts = tf.where(tf.equal(text, ""), anew, begun)
        if predictor.end >= 0:
            texts = tf.strings.regex_replace(texts, "\n$", "")
        is_empty = tf.zeros_like(text, tf.bool)
        return {
            "text": texts,
            "score": scores,
            "status": export.text_status(text, is_empty),
        }

    def score(text):
        ids = tokenizer.encode_tensor(text)
        ends = tf.fill([tf.shape(text)[0], 1], tokenizer.END)
        ids = tf.concat([ids, ends], axis=1)
        mask = tf.sequence_mask(ids.row_lengths(), dtype=tf.float32)
        nll = predictor.score_ids(ids.to_tensor(tokenizer.PADDING))
        return {
            "log_probability": -tf.reduce_sum(nll * mask, axis=1),
            "tokens": tf.cast(ids.row_lengths(), tf.int32),
        }

    first = network.initial_state(1)
    flat = tf.nest.flatten(first)

    def step(tokens, *states):
        logits, states = network.step(
            tokens, tf.nest.pack_sequence_as(first, states)
        )
        named = {
            f"state_{number}": state
            for number, state in enumerate(tf.nest.flatten(states))
        }
        return {"logits": logits, **named}

    texts = tf.constant(EXAMPLES)
    numbers = [(tf.float32, "temperature"), (tf.float32, "top_p")]
    export.write(
        run,
        predictor.model,
        serve,
        [
            tf.TensorSpec((None,), tf.string, name="text"),
            tf.TensorSpec((), tf.int32, name="length"),
            *(tf.TensorSpec((), kind, name=name) for kind, name in numbers),
            tf.TensorSpec((), tf.int32, name="seed"),
        ],
        predict=lambda *inputs: _predicted(predictor, *inputs),
        track=[*tokenizer.tables],
        examples=[(texts, *map(tf.constant, request)) for request in REQUESTS],
        more=[
            export.Endpoint(
                "score",
                score,
                [tf.TensorSpec((None,), tf.string, name="text")],
                [(texts,)],
                lambda text: _scored(predictor, text),
            ),
            export.Endpoint(
                "step",
                step,
                [
                    tf.TensorSpec((None,), tf.int32, name="tokens"),
                    *(
                        tf.TensorSpec(
                            (None, state.shape[-1]),
                            state.dtype,
                            name=f"state_{number}",
                        )
                        for number, state in enumerate(flat)
                    ),
                ],
                [(tf.constant([predictor.begin]), *flat)],
            ),
        ],
    )


def _sampling(predictor, temperature, top_p):
    """Return the search of a request; its numbers may be tensors."""
    return Search(
        sample=True,
        min_length=0,
        temperature=temperature,
        # All tokens: with a number for it, top_p can be a tensor.
        top_k=len(predictor.tokenizer),
        top_p=top_p,
    )


def _predicted(predictor, text, length, temperature, top_p, seed):
    """Return what `predict` says to a request of `serve`."""
    search = _sampling(predictor, float(temperature), float(top_p))
    shape = [len(text), int(length)]
    chances = tf.random.stateless_uniform(shape, [int(seed), 0])
    texts, scores = [], []
    for raw, chance in zip(text.numpy(), chances, strict=True):
        line = raw.decode("utf-8", "replace")
        (prompt,) = predictor.prompts([line])
        ids = tf.constant([prompt], tf.int32)
        decoded = predictor.continued(ids, search, int(length), chance[None])
        count = int(decoded.lengths[0, 0])
        tokens = np.asarray(decoded.tokens)[0, 0, :count]
        texts.append(predictor.text(tokens, line).encode())
        scores.append(float(decoded.log_probabilities[0, 0]))
    return {"text": np.array(texts, object), "score": np.array(scores)}


def _scored(predictor, text):
    """Return what `predict` says to a request of `score`."""
    lines = [raw.decode("utf-8", "replace") for raw in text.numpy()]
    rows = [nll for _, nll in predictor.score(lines)]
    return {
        "log_probability": np.array([-nll.sum() for nll in rows]),
        "tokens": np.array([len(nll) for nll in rows], np.int32),
    }


def portable(run: runs.Run, predictor: Predictor) -> Portable:
    """Return a step for other runtimes: tokens and states to the next ones."""
    network, size = predictor.network, len(predictor.tokenizer)
    first = network.initial_state(1)

    def step(tokens, *states):
        states = tf.nest.pack_sequence_as(first, states)
        logits, states = network.step(tokens, states)
        return {"logits": logits, **networks.named("next_state", states)}

    random = np.random.default_rng(0)
    states = networks.states(first)
    drawn = [random.normal(size=(3, s.shape[1])) for s in states]
    begin = np.array([predictor.begin], np.int32)
    tokens = random.integers(0, size, 3, np.int32)
    return Portable(
        [
            Network(
                "step",
                step,
                [
                    Tensor(
                        "tokens",
                        ("batch",),
                        "int32",
                        "the last tokens, lines of vocabulary.txt from 0 on",
                    ),
                    *states,
                ],
                {
                    "logits": "of the next token",
                    **{f"next_{s.name}": s.meaning for s in states},
                },
                [
                    (begin, *map(np.asarray, tf.nest.flatten(first))),
                    (tokens, *(x.astype("float32") for x in drawn)),
                ],
            )
        ],
        {"vocabulary.txt": "tokens"},
        generation.settings(LENGTH, predictor.begin, predictor.end),
        networks.GREEDY,
        score=lambda folder: score(run, predictor, folder),
    )


def score(run: runs.Run, predictor: Predictor, folder: Path) -> dict:
    """Return the perplexity of some chunks of valid, each from the start."""
    config, losses = predictor.config, []
    data = evaluate.datasets(
        predictor, config.dataset, config.data_path or None, config.encoding
    )
    step = networks.Written(folder / "step.onnx")
    for inputs, targets in networks.examples(data.valid):
        state = networks.named(
            "state", predictor.network.initial_state(len(targets))
        )
        for tokens, wanted in zip(inputs["tokens"].T, targets.T, strict=True):
            answer = step(tokens=tokens, **state)
            state = {name: answer[f"next_{name}"] for name in state}
            logits = answer["logits"]
            total = np.logaddexp.reduce(logits, axis=1)
            loss = total - logits[np.arange(len(wanted)), wanted]
            losses += [*loss[wanted != 0]]
    return {"perplexity": float(np.exp(np.mean(losses)))}


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("language_model", options.run, options.runs_path)
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
