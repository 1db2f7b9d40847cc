"""Translator: a bidirectional encoder, and a decoder that attends to it.

    source [B, S] -> memory [B, S, M], first state [B, U]
    target [B, T] -> states [B, T, U] -> logits [B, T, V], attending to memory

Teacher forcing is one pass over the whole target, which begins with the token
before the first one; `IncrementalDecoder` takes the same layers one token at a
time.

Letters of shapes: B batch, K hypotheses of a sentence, S source, T target, D
size of a word vector, M width of the memory, U units, V vocabulary. Token 0 is
padding.
"""

import keras
from keras import layers, ops

import rnn_layers
from apps.common.optimizer import adamw, compiled
from apps.common.token_loss import Perplexity, TokenCrossentropy
from apps.common.transfer import Names, Origin
from data_pipelines.text.tokenizers import Tokenizer

from .config import Config

# Batches of sentences have many shapes, and are short: to compile the recurrent
# loops for each shape takes longer than it saves.
COMPILED = False


def build(
    config: Config, source_size: int, target_size: int
) -> tuple[keras.Model, keras.Model]:
    """Return the model to train and the translator.

    Both take a source `(B, S)` and a target `(B, T)` and give logits
    `(B, T, V)`; they share all weights. They are one and the same without
    scheduled sampling.

    Args:
        config: The `Config`.
        source_size: Tokens in the source's vocabulary.
        target_size: V.
    """
    encoder = _encoder(config, source_size)
    decode = _decoder(config, target_size)
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    memory = encoder(source)
    logits = decode(target, *memory)
    translator = keras.Model([source, target], logits, name="translation")
    if not config.scheduled_sampling:
        return translator, translator
    read = OwnTokens(config.scheduled_sampling, config.seed)(target, logits)
    trained = keras.Model([source, target], decode(read, *memory))
    return trained, translator


def _encoder(config, vocabulary_size):
    """Return the model of a source: memory, its mask, and the first state."""
    source = keras.Input((None,), dtype="int32", name="source")
    real = ops.not_equal(source, 0)  # B S
    embedding = layers.Embedding(
        vocabulary_size,
        config.embedding_size,
        embeddings_initializer=_vectors(config),
        name="source_tokens",
    )
    x = layers.Rescaling(config.embedding_size**0.5)(embedding(source))
    x = layers.Dropout(config.dropout)(x)  # B S D
    memory = rnn_layers.stack(
        config.cell,
        config.units,
        config.depth,
        bidirectional=True,
        dropout=config.dropout,
        return_sequences=True,
        compiled=COMPILED,
        name="states",
    )(x, mask=real)  # B S M
    memory = layers.Dropout(config.dropout)(memory)
    mean = layers.GlobalAveragePooling1D()(memory, mask=real)  # B M
    width = rnn_layers.output_width(_decoder_cell(config), config.units)
    first = layers.Dense(width, "tanh", name="bridge")(mean)  # B U
    if config.attention == "dot":
        # A scalar product of states needs states as wide as the decoder's.
        memory = layers.Dense(width, name="memory")(memory)  # B S U
    if config.attention == "none":
        # One vector for the whole source, and nowhere else to look.
        memory = ops.expand_dims(first, 1)  # B 1 U
        real = ops.any(real, axis=1, keepdims=True)
    return keras.Model(source, [memory, real, first], name="encoder")


def _decoder_cell(config):
    return config.decoder_cell or config.cell


def _decoder(config, vocabulary_size):
    """Return a function of a target and the encoder's outputs to logits."""
    embedding = layers.ReversibleEmbedding(
        vocabulary_size,
        config.embedding_size,
        tie_weights=config.tied,
        embeddings_initializer=_vectors(config),
        name="target_tokens",
    )
    decoder = rnn_layers.AttentionDecoder(
        _decoder_cell(config),
        config.units,
        "dot" if config.attention == "none" else config.attention,
        {"compiled": COMPILED},
        config.depth,
        name="decoder",
    )
    # As inputs the vectors are about one large, as outputs much smaller.
    scale = layers.Rescaling(config.embedding_size**0.5, name="scale")
    if config.units == config.embedding_size:
        vectors = layers.Identity(name="vectors")
    else:
        vectors = layers.Dense(config.embedding_size, name="vectors")
    drop_inputs = layers.Dropout(config.dropout)
    drop_outputs = layers.Dropout(config.dropout)

    def decode(target, memory, real, first):
        x = drop_inputs(scale(embedding(target)))  # B T D
        x = decoder(x, memory, initial_state=[first], memory_mask=real)  # B T U
        x = drop_outputs(vectors(x))  # B T D
        return embedding(x, reverse=True)  # B T V

    return decode


def _vectors(config):
    """Return the initializer of word vectors that are inputs and outputs."""
    return keras.initializers.RandomNormal(stddev=config.embedding_size**-0.5)


class OwnTokens(layers.Layer):
    """Let the decoder read some of its own predictions in training.

    Scheduled sampling (Bengio et al., 2015, https://arxiv.org/abs/1506.03099)
    in two passes over the whole target instead of one step at a time (Mihaylova
    and Martins, 2019, https://arxiv.org/abs/1906.07651): the first pass reads
    the target and predicts; in the second, a share of its tokens is replaced by
    the predicted ones.

    Args:
        rate: The share of tokens replaced, in [0, 1).
        seed: Of the choice.
    """

    def __init__(self, rate, seed, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seeds = keras.random.SeedGenerator(seed)

    def call(self, target, logits, training=False):
        if not training:
            return target
        predicted = ops.cast(ops.argmax(logits, axis=-1), "int32")
        # The token at t was predicted at t - 1; the first one never was.
        predicted = ops.concatenate([target[:, :1], predicted[:, :-1]], axis=1)
        chance = keras.random.uniform(ops.shape(target), seed=self.seeds)
        replace = ops.logical_and(chance < self.rate, target != 0)
        return ops.where(replace, predicted, target)


def names(
    origin: Origin | None, source: Tokenizer, target: Tokenizer
) -> dict[str, Names]:
    """Return what rows of weights belong to, in a run and in the data."""
    if origin is None:
        return {}
    return {
        "encoder/source_tokens": origin.names(
            "source", "source.txt", source.pieces
        ),
        "target_tokens": origin.names("target", "target.txt", target.pieces),
    }


def compile_model(trained: keras.Model, config: Config, steps: int) -> None:
    """Set optimizer, loss and metric; `steps` is the length of training."""
    trained.compile(
        adamw(
            config,
            steps,
            warmup=steps // 20,
            floor=0.02,
            beta_2=0.98,
            averaging=config.averaging,
        ),
        loss=TokenCrossentropy(config.smoothing),
        metrics=[Perplexity()],
        jit_compile=compiled(config),
    )


class IncrementalDecoder:
    """A translator, one token at a time, by the layers that were trained.

        memory = decoder.encode(source)
        state = decoder.initial_state(memory)
        logits, state = decoder.step(tokens, state, memory)

    Args:
        translator: The model, just built or loaded.
        has_attention: Whether there is more than one position to attend to.
    """

    def __init__(self, translator: keras.Model, has_attention: bool = True):
        self.has_attention = has_attention
        self.encoder = translator.get_layer("encoder")
        self.embedding = translator.get_layer("target_tokens")
        self.decoder = translator.get_layer("decoder")
        self.scale = translator.get_layer("scale")
        self.vectors = translator.get_layer("vectors")

    def encode(self, source):
        """Return what the steps need of sources `(B, S)`."""
        memory, real, first = self.encoder(source, training=False)
        return self.decoder.prepare(memory, real), first

    def initial_state(self, memory):
        """Return the state before the first step, for `decoding`."""
        (states, _, _), first = memory
        batch, length = ops.shape(states)[:2]
        return {
            "states": self.decoder.get_initial_state(batch, [first]),
            "weights": ops.zeros((batch, length)),
        }

    def step(self, tokens, state, memory):
        """Take tokens `(N,)` to logits `(N, V)`; N is B, or B times K."""
        x = self.scale(self.embedding(tokens))  # N D
        x, states, weights = self.decoder.step(x, state["states"], memory[0])
        logits = self.embedding(self.vectors(x), reverse=True)  # N V
        return logits, {"states": states, "weights": weights}

    def attention(self, source, target):
        """Return the attention weights `(B, T, S)` of a target `(B, T)`."""
        memory, real, first = self.encoder(source, training=False)
        return self.decoder.attention_weights(
            self.scale(self.embedding(target)),
            memory,
            initial_state=[first],
            memory_mask=real,
        )
