"""Tokens per second of one compiled loop beside the usual ways to decode.

    python -m benchmarks.decoding --units 256 --tokens 20

The models are those of the translation app and of the language model app, with
random weights: time does not depend on what they say. Every way makes the same
number of tokens for each sentence:

    greedy   `apps.common.decoding.greedy`, compiled
    beam     `apps.common.decoding.beam_search`, compiled
    predict  the usual loop, which calls `predict` on all tokens so far, once
             a token
    stateful the same of a language model that carries its states, on one token
    torch    the same model and greedy loop in torch, if it is installed

They run in turn, again and again, in one process; printed are medians. So are
times a token of the language model's compiled loop, by how many it makes.
"""

import argparse
import functools
import itertools
import json
import os
import statistics
import time
from pathlib import Path

# Threads of torch would else wait busily beside those of TensorFlow.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import keras
import numpy as np

import rnn_layers
from apps.common import checks, cli, decoding, graph
from apps.common.search import Search
from apps.language_model import config as language_config
from apps.language_model import model as language_model
from apps.language_model.predict import Predictor
from apps.translation import model
from apps.translation.config import Config
from data_pipelines.language_model.tokens import StreamTokenizer
from data_pipelines.text.bpe import SPECIALS
from data_pipelines.text.tokenizers import Tokenizer

try:
    import torch
except ImportError:
    torch = None


def ours(steps, options, beam):
    """Return a function of sources `(B, S)` to tokens, compiled."""
    rules = decoding.Rules(
        Tokenizer.BEGIN,
        Tokenizer.END,
        options.tokens,
        min_length=options.tokens,
        banned=(Tokenizer.PADDING,),
    )

    def decode(source):
        memory = steps.encode(source)
        state = steps.initial_state(memory)

        def step(tokens, state):
            return steps.step(tokens, state, memory)

        if beam == 1:
            return decoding.greedy(step, state, rules).tokens
        hypotheses = decoding.beam_search(step, state, rules, beam=beam)
        return hypotheses.tokens[:, 0]

    return graph.compile_once(decode, ((None, None), "int32"))


def by_predict(translator, options):
    """Return the usual loop: the whole model, once a token."""

    def decode(source):
        target = np.full((len(source), 1), Tokenizer.BEGIN, np.int32)
        for _ in range(options.tokens):
            logits = translator.predict([source, target], verbose=0)[:, -1]
            logits[:, [Tokenizer.PADDING, Tokenizer.END]] = -np.inf
            chosen = logits.argmax(axis=-1).astype(np.int32)
            target = np.concatenate([target, chosen[:, None]], axis=1)
        return target[:, 1:]

    return decode


def by_torch(config, sizes, options):
    """Return the same model and greedy loop in torch."""
    units, width = config.units, config.embedding_size
    source_vectors = torch.nn.Embedding(sizes[0], width)
    target_vectors = torch.nn.Embedding(sizes[1], width)
    encoder = torch.nn.GRU(width, units, batch_first=True, bidirectional=True)
    bridge = torch.nn.Linear(2 * units, units)
    cell = torch.nn.GRUCell(width, units)
    query = torch.nn.Linear(units, units, bias=False)
    keys = torch.nn.Linear(2 * units, units)
    scores = torch.nn.Linear(units, 1, bias=False)
    output = torch.nn.Linear(3 * units, units, bias=False)
    vectors = torch.nn.Linear(units, width)

    @torch.inference_mode()
    def decode(source):
        memory, _ = encoder(source_vectors(torch.from_numpy(source).long()))
        h = torch.tanh(bridge(memory.mean(dim=1)))
        known = keys(memory)
        last = torch.full((len(source),), Tokenizer.BEGIN)
        tokens = []
        for _ in range(options.tokens):
            h = cell(target_vectors(last), h)
            hidden = torch.tanh(query(h)[:, None] + known)
            weights = torch.softmax(scores(hidden), dim=1)
            context = (weights * memory).sum(dim=1)
            y = torch.tanh(output(torch.cat([context, h], dim=1)))
            logits = vectors(y) @ target_vectors.weight.T
            logits[:, [Tokenizer.PADDING, Tokenizer.END]] = -np.inf
            last = logits.argmax(dim=-1)
            tokens.append(last)
        return torch.stack(tokens, dim=1).numpy()

    return decode


def translation_ways(options):
    """Return functions of sources `(B, S)` to translations."""
    config = Config(units=options.units, embedding_size=options.units)
    sizes = (options.vocabulary_size, options.vocabulary_size)
    translator, _ = model.build(config, *sizes)
    steps = model.IncrementalDecoder(translator)
    ways = {
        "greedy": ours(steps, options, 1),
        "beam": ours(steps, options, 5),
        "predict": by_predict(translator, options),
    }
    if torch is not None:
        torch.set_num_threads(os.cpu_count())
        ways["torch"] = by_torch(config, sizes, options)
    return ways


def language_ways(options):
    """Return functions of beginnings `(B, S)` to what a language model says."""
    config = language_config.Config(
        units=options.units, embedding_size=options.units
    )
    words = (f"w{n}" for n in range(options.vocabulary_size - len(SPECIALS)))
    tokenizer = StreamTokenizer((*SPECIALS, *words), "words")
    _, whole = language_model.build(config, len(tokenizer))
    predictor = Predictor(whole, tokenizer, config)

    def chosen(logits):
        logits[:, :3] = -np.inf
        return logits.argmax(axis=-1).astype(np.int32)[:, None]

    def greedy(source):
        decoded = predictor.generate(source, Search(), options.tokens)
        return np.asarray(decoded.tokens)[:, 0]

    def by_predict(source):
        tokens = source
        for _ in range(options.tokens):
            token = chosen(whole.predict(tokens, verbose=0)[:, -1])
            tokens = np.concatenate([tokens, token], axis=1)
        return tokens[:, source.shape[1] :]

    @functools.cache
    def carrying(count):
        network = predictor.network
        states = rnn_layers.StatefulStack(network.stack, count)
        tokens = keras.Input(batch_shape=(count, None), dtype="int32")
        x = states(network.scale(network.embedding(tokens)))
        x = network.embedding(network.vectors(x), reverse=True)
        return keras.Model(tokens, x), states

    def stateful(source):
        step, states = carrying(len(source))
        states.reset_state()
        tokens = [source]
        for _ in range(options.tokens):
            logits = step.predict(tokens[-1], len(source), verbose=0)
            tokens.append(chosen(logits[:, -1]))
        return np.concatenate(tokens[1:], axis=1)

    return {"greedy": greedy, "predict": by_predict, "stateful": stateful}


MODELS = {"translation": translation_ways, "language model": language_ways}


def measure(ways, source, options):
    """Return the median seconds of each way, measured in turn."""
    times = {name: [] for name in ways}
    for way in ways.values():
        tokens = np.asarray(way(source))  # compiles
        assert tokens.shape == (len(source), options.tokens)
        assert tokens.all()
    for _ in range(options.repeats):
        for name, way in ways.items():
            begin = time.perf_counter()
            way(source)
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


def parse():
    """Return the flags."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--models", nargs="*", choices=MODELS, default=[*MODELS]
    )
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--vocabulary-size", type=int, default=4000)
    parser.add_argument("--source-length", type=int, default=15)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument(
        "--lengths",
        type=int,
        nargs="*",
        default=[100, 1000],
        help="tokens of the language model, the compiled loop alone",
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", default="runs/bench/decoding.json")
    return parser.parse_args()


def compare(options, random):
    """Yield the seconds of each way, a dict each; print them as a table."""
    print(
        "| model | sentences | way | tokens per second | greedy is faster by |"
    )
    print("| --- | --- | --- | --- | --- |")
    models = {app: MODELS[app](options) for app in options.models}
    for (app, ways), count in itertools.product(models.items(), (1, 64)):
        shape = (count, options.source_length)
        source = random.integers(4, options.vocabulary_size, shape, np.int32)
        seconds = measure(ways, source, options)
        for way, value in seconds.items():
            speed = count * options.tokens / value
            ratio = value / seconds["greedy"]
            print(f"| {app} | {count} | {way} | {speed:,.0f} | {ratio:.1f} |")
            yield {
                "model": app,
                "sentences": count,
                "way": way,
                "tokens": options.tokens,
                "seconds": value,
            }


def by_length(options, random):
    """Yield the same of the language model's loop alone, by its tokens."""
    print("\n| tokens of one text | milliseconds a token |\n| --- | --- |")
    shape = (1, options.source_length)
    source = random.integers(4, options.vocabulary_size, shape, np.int32)
    for tokens in options.lengths:
        own = argparse.Namespace(**{**vars(options), "tokens": tokens})
        greedy = {"greedy": language_ways(own)["greedy"]}
        seconds = measure(greedy, source, own)["greedy"]
        print(f"| {tokens:,} | {1e3 * seconds / tokens:.3f} |")
        yield {
            "model": "language model",
            "sentences": 1,
            "way": "greedy",
            "tokens": tokens,
            "seconds": seconds,
        }


def main(options):
    """Print the tables and write them as JSON."""
    checks.output_file("json", options.json)
    random = np.random.default_rng(0)
    rows = [*compare(options, random), *by_length(options, random)]
    path = Path(options.json)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**vars(options), "rows": rows}, indent=2))


if __name__ == "__main__":
    cli.main(lambda: main(parse()))
