"""Language model: a recurrent stack between tied word vectors.

    tokens [B, T] -> vectors [B, T, D] -> states [B, T, U]
        -> vectors again [B, T, D] -> logits of the next tokens [B, T, V]

In training each row goes on from the chunk before, with the states that it
ended with; gradients end where a chunk begins. `LanguageModel` runs the layers
with states in and out: chunk by chunk, or a token at a time.

Letters of shapes: B batch, T tokens, D size of a word vector, U units, V
vocabulary, S sampled tokens.
"""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers, ops

import rnn_layers
from apps.common import ensemble
from apps.common.cli import UserError
from apps.common.optimizer import adamw, compiled
from apps.common.token_loss import TokenCrossentropy
from apps.common.transfer import Names, Origin
from data_pipelines.text.tokenizers import Tokenizer
from rnn_layers.cells.catalogue import cell_class

from .config import Config

# With a larger vocabulary training compares each token with so many sampled
# ones, if no flag says otherwise; evaluation always with all.
_SAMPLED_ABOVE = 50_000
_SAMPLES = 4096


def samples(config: Config, vocabulary_size: int) -> int:
    """Return how many tokens a target is compared with in training, 0: all."""
    if config.sampled or vocabulary_size <= _SAMPLED_ABOVE:
        return config.sampled
    return _SAMPLES


def build(
    config: Config, vocabulary_size: int, compile_loops: bool = False
) -> tuple[keras.Model, keras.Model]:
    """Return the model to train and the language model, which share weights.

    The language model takes tokens `(B, T)` to logits `(B, T, V)`, from the
    first states on. The model to train takes a dict of a batch of chunks, see
    the pipeline, and with a sampled softmax their targets, too.

    Args:
        config: The `Config`.
        vocabulary_size: V.
        compile_loops: Whether XLA compiles the recurrent ones.

    Raises:
        UserError: The cell has no recurrent dropout.
    """
    if config.recurrent_dropout and not cell_class(config.cell).has_products:
        raise UserError(
            f"--recurrent-dropout {config.recurrent_dropout}: {config.cell}"
            " multiplies no state by a matrix"
        )
    embedding = layers.ReversibleEmbedding(
        vocabulary_size,
        config.embedding_size,
        tie_weights=config.tied,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=config.embedding_size**-0.5
        ),
        name="embedding",
    )
    embedding.build((None, None))
    # As inputs the vectors are about one large, as outputs much smaller.
    scale = layers.Rescaling(config.embedding_size**0.5, name="scale")
    # Of variational dropout the layers themselves drop what they read.
    plain, variational = config.dropout, 0.0
    if config.variational:
        plain, variational = variational, plain
    stack = rnn_layers.Stack(
        config.cell,
        config.units,
        config.depth,
        dropout=plain,
        return_sequences=True,
        options={
            "dropout": variational,
            "recurrent_dropout": config.recurrent_dropout,
            "zoneout": config.zoneout,
            "seed": config.seed,
            "compiled": compile_loops,
        },
        name="states",
    )
    stack.build((None, None, config.embedding_size))
    vectors = layers.Dense(config.embedding_size, name="vectors")

    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = vectors(stack(scale(embedding(tokens))))  # B T D
    logits = embedding(x, reverse=True)  # B T V
    language_model = keras.Model(tokens, logits, name="language_model")

    width = None if config.unit == "sentences" else config.chunk
    shape = (config.batch_size, width)
    batch = {
        "tokens": keras.Input(batch_shape=shape, dtype="int32", name="tokens"),
        "begins": keras.Input(
            batch_shape=shape[:1], dtype="bool", name="begins"
        ),
    }
    x = scale(embedding(batch["tokens"]))  # B T D
    x = TokenDropout(
        config.embedding_dropout, vocabulary_size, config.seed + 1
    )(x, batch["tokens"])
    x = _dropout(config, plain, 2)(x)
    carried = rnn_layers.StatefulStack(stack, config.batch_size, name="carried")
    x = carried(x, batch["begins"])  # B T U
    x = vectors(_dropout(config, config.dropout, 3)(x))  # B T D
    if not samples(config, vocabulary_size):
        return keras.Model(batch, embedding(x, reverse=True)), language_model
    batch["targets"] = keras.Input(
        batch_shape=shape, dtype="int32", name="targets"
    )
    sampled = SampledSoftmax(
        embedding, samples(config, vocabulary_size), config.seed + 4
    )
    return keras.Model(batch, sampled(x, batch["targets"])), language_model


def _dropout(config, rate, seed):
    """Return the dropout of vectors `(B, T, D)`."""
    shape = (config.batch_size, 1, None) if config.variational else None
    return layers.Dropout(rate, noise_shape=shape, seed=config.seed + seed)


class TokenDropout(layers.Layer):
    """Drop some tokens of the vocabulary from all of a batch.

    Gal and Ghahramani, 2016, https://arxiv.org/abs/1512.05287, section 4.2: a
    row of the embedding matrix is zero for as long as its mask holds.

    Args:
        rate: How often, in [0, 1).
        vocabulary_size: V.
        seed: Of the choice.
    """

    def __init__(self, rate, vocabulary_size, seed, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.vocabulary_size = vocabulary_size
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, vectors, tokens, training=False):
        if not training or not self.rate:
            return vectors
        ones = ops.ones((self.vocabulary_size,), vectors.dtype)
        mask = keras.random.dropout(ones, self.rate, seed=self.seeds)
        return vectors * ops.expand_dims(ops.take(mask, tokens), -1)


class SampledSoftmax(layers.Layer):
    """Logits of each target beside those of tokens sampled for all of a batch.

    Bengio and Senecal, 2008, "Adaptive importance sampling to accelerate
    training of a neural probabilistic language model": the sum over the sample,
    each token by how often it is expected there, estimates the sum over the
    vocabulary. Tokens are sampled as if the k-th was as frequent as 1 / k; a
    target is taken out of its own sample, and counts once.

    Args:
        embedding: The `ReversibleEmbedding` of the outputs.
        samples: S.
        seed: Of the sample.

    Call arguments: vectors `(B, T, D)`, targets `(B, T)`.

    Returns: `(B, T, 2 + S)`; class 0 stands for padding and is never likely,
    class 1 for the target, see `sampled_targets`.
    """

    def __init__(self, embedding, samples, seed, **kwargs):
        super().__init__(**kwargs)
        self.embedding = embedding
        self.samples = samples
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, vectors, targets):
        size = self.embedding.input_dim
        chance = keras.random.uniform((self.samples,), seed=self.seeds)
        sampled = ops.exp(chance * math.log(size + 1)) - 1
        sampled = ops.minimum(ops.cast(sampled, "int32"), size - 1)
        weights = self.embedding.embeddings
        if not self.embedding.tie_weights:
            weights = ops.transpose(self.embedding.reverse_embeddings)
        own = ops.sum(vectors * ops.take(weights, targets, axis=0), axis=-1)
        others = ops.matmul(
            vectors, ops.transpose(ops.take(weights, sampled, 0))
        )
        others = others - self._expected(sampled)
        hit = ops.expand_dims(targets, -1) == sampled  # B T S
        others = ops.where(hit, -1e9, others)
        never = ops.full_like(own, -1e9)
        return ops.concatenate([ops.stack([never, own], -1), others], axis=-1)

    def _expected(self, tokens):
        """Return log of how often tokens are expected in the sample."""
        rank = ops.cast(tokens, "float32")
        share = ops.log((rank + 2) / (rank + 1))
        share = share / math.log(self.embedding.input_dim + 1)
        return ops.log(self.samples * share)


def sampled_targets(batch: dict, targets: tf.Tensor) -> tuple:
    """Give a batch of the pipeline the targets that `SampledSoftmax` needs."""
    return {**batch, "targets": targets}, tf.cast(targets != 0, tf.int32)


def names(origin: Origin | None, tokenizer: Tokenizer) -> dict[str, Names]:
    """Return what rows of weights belong to, in a run and in the data."""
    if origin is None:
        return {}
    words = origin.names("words", "vocabulary.txt", tokenizer.pieces)
    return {"embedding": words}


def compile_model(trained: keras.Model, config: Config, steps: int) -> None:
    """Set optimizer and loss; `steps` is the length of training."""
    trained.compile(
        adamw(
            config,
            steps,
            warmup=min(steps // 20, 500),
            floor=0.01,
            averaging=config.averaging,
        ),
        loss=TokenCrossentropy(),
        jit_compile=compiled(config),
    )


class LanguageModel:
    """A language model with its states in and out.

        states = language_model.initial_state(batch_size)
        logits, states = language_model.run(tokens, states)     # (B, T)
        logits, states = language_model.step(tokens, states)    # (N,)

    Args:
        model: The model, just built or loaded.
    """

    def __init__(self, model: keras.Model):
        self.embedding = model.get_layer("embedding")
        self.scale = model.get_layer("scale")
        self.stack = model.get_layer("states")
        self.vectors = model.get_layer("vectors")

    def initial_state(self, batch_size):
        """Return the states before the first token, a list for each layer."""
        return self.stack.get_initial_state(batch_size)

    def after(self, tokens, states):
        """Return the states after tokens `(B, T)`, of which there may be none.

        A loop over nothing cannot be compiled.
        """
        x = self.scale(self.embedding(tokens))
        return ops.cond(
            ops.shape(tokens)[1] > 0,
            lambda: self.stack.run(x, states)[1],
            lambda: states,
        )

    def run(self, tokens, states):
        """Take tokens `(B, T)` to logits `(B, T, V)` and the last states."""
        x = self.scale(self.embedding(tokens))
        x, states = self.stack.run(x, states)
        return self.embedding(self.vectors(x), reverse=True), states

    def step(self, tokens, states):
        """Take tokens `(N,)` to logits `(N, V)` and the next states."""
        x, states = self.stack.step(self.scale(self.embedding(tokens)), states)
        return self.embedding(self.vectors(x), reverse=True), states


class Ensemble:
    """Several language models as one, which gives their log-probabilities.

    Args:
        members: `LanguageModel`s.
    """

    def __init__(self, members: Sequence[LanguageModel]):
        self.members = members

    def initial_state(self, batch_size):
        """Return the states before the first token, of each member."""
        return [member.initial_state(batch_size) for member in self.members]

    def after(self, tokens, states):
        """Return the states after tokens `(B, T)`."""
        pairs = zip(self.members, states, strict=True)
        return [member.after(tokens, own) for member, own in pairs]

    def run(self, tokens, states):
        """Take tokens `(B, T)` to mean log-probabilities `(B, T, V)`."""
        return self._mean(
            [member.run for member in self.members], tokens, states
        )

    def step(self, tokens, states):
        """Take tokens `(N,)` to mean log-probabilities `(N, V)`."""
        return self._mean(
            [member.step for member in self.members], tokens, states
        )

    def _mean(self, functions, tokens, states):
        pairs = zip(functions, states, strict=True)
        results = [function(tokens, own) for function, own in pairs]
        outputs, states = zip(*results, strict=True)
        return ensemble.logits(outputs), list(states)
