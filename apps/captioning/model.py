"""Captioner: an encoder of pictures, and a decoder that writes about them.

    regions [B, R, C] -> memory [B, R, U], vector of the whole picture [B, U]
    caption [B, T] -> states [B, T, U] -> logits [B, T, V]

The regions are features of a frozen encoder, or come from an encoder that is
trained along, on pictures [B, H, W, 3]. Teacher forcing is one pass over the
whole caption, which begins with the token before the first one;
`IncrementalDecoder` takes the same layers one token at a time.

Letters of shapes: B batch, P pictures, N rows of a step, T time, R regions, C
channels, D size of a word vector, U units, V vocabulary. Token 0 is padding.
"""

import keras
import numpy as np
from keras import layers, ops

import rnn_layers
from apps.common.optimizer import adamw, compiled
from apps.common.token_loss import Perplexity, TokenCrossentropy
from apps.common.transfer import Names, Origin
from data_pipelines.text.tokenizers import Tokenizer

from . import decoders
from .config import Config


def build(
    config: Config,
    encoder: keras.Model | tuple[int, int],
    frequencies: np.ndarray,
    several: bool = False,
    vectors: np.ndarray | None = None,
    compile_loops: bool = False,
) -> tuple[keras.Model, keras.Model]:
    """Return the model to train and the captioner to save.

    Both take features `(B, R, C)`, or pictures, and captions `(B, T)`, give
    logits `(B, T, V)`, and share all weights. The model to train may get
    several captions of each picture.

    Args:
        config: The `Config`.
        encoder: The `keras.Model` of pictures to regions that is trained along,
            or the shape `(R, C)` of a frozen one's features.
        frequencies: `(V,)`, how often each token stands in training.
        several: Whether a picture comes with several captions in training.
        vectors: Optional `(V, D)` array of word vectors to begin from.
        compile_loops: Whether XLA compiles the recurrent ones.
    """
    size = config.embedding_size if vectors is None else vectors.shape[1]
    picture = _picture(config, encoder, size)
    inputs = keras.Input(picture.input.shape[1:], name="picture_input")
    tokens = keras.Input((None,), dtype="int32", name="caption")
    decode = _decoder(config, frequencies, vectors, size, compile_loops)
    logits = decode(tokens, *picture(inputs))
    captioner = keras.Model([inputs, tokens], logits, name="captioning")

    if not several and not config.attention_penalty:
        return captioner, captioner
    memory, vector = (ForEachCaption()(x, tokens) for x in picture(inputs))
    logits = decode(tokens, memory, vector, config.attention_penalty)
    return keras.Model([inputs, tokens], logits), captioner


class ForEachCaption(layers.Layer):
    """Repeat what is known of a picture for each of its captions.

    Call arguments: `(P, ...)`, and captions `(B, T)`, those of a picture one
    after another, equally many of each. Returns `(B, ...)`.
    """

    def call(self, x, captions):
        times = ops.shape(captions)[0] // ops.shape(x)[0]
        return ops.repeat(x, times, axis=0)


def _picture(config, encoder, word_size):
    """Return the model of a picture: its memory and its vector."""
    if isinstance(encoder, keras.Model):
        inputs = keras.Input(encoder.input_shape[1:], name="pixels")
        regions = encoder(inputs)
    else:
        inputs = regions = keras.Input(encoder, name="features")
    x = layers.LayerNormalization(name="normal")(regions)
    x = layers.Dropout(config.dropout)(x)
    x = layers.Dense(config.units, name="memory")(x)  # B R U
    # Position embeddings: the same for all pictures, learned.
    positions = ops.cumsum(ops.ones_like(x[:1, :, 0], dtype="int32"), axis=1)
    memory = x + layers.Embedding(x.shape[1], config.units, name="places")(
        positions - 1
    )
    mean = layers.GlobalAveragePooling1D()(memory)  # B U
    size = rnn_layers.output_width(config.cell, config.units)
    if config.conditioning == "first_step":
        size = word_size
    vector = layers.Dense(size, "tanh", name="vector")(mean)  # B U
    return keras.Model(inputs, [memory, vector], name="picture")


def _decoder(config, frequencies, vectors, size, compile_loops):
    """Return a function of captions, memory and vector to logits."""
    embedding = layers.ReversibleEmbedding(
        len(frequencies),
        size,
        tie_weights=config.tied,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=size**-0.5
        ),
        name="tokens",
    )
    decoder = decoders.CONDITIONING[config.conditioning].build(
        config, compile_loops
    )
    # As inputs the vectors are about one large, as outputs much smaller.
    scale = layers.Rescaling(size**0.5, name="scale")
    bias = layers.Embedding(1, len(frequencies), name="bias")
    width = rnn_layers.output_width(config.cell, config.units)
    if config.units == size == width:
        outputs = layers.Identity(name="outputs")
    else:
        outputs = layers.Dense(size, name="outputs")
    drop_inputs = layers.Dropout(config.dropout)
    drop_outputs = layers.Dropout(config.dropout)
    _initialize(embedding, bias, frequencies, vectors)

    def decode(tokens, memory, vector, penalty=0.0):
        words = drop_inputs(scale(embedding(tokens)))  # B T D
        x = decoder(words, memory, vector)  # B T U
        x = drop_outputs(outputs(x))  # B T D
        # The one row of a table: a bias, as a layer that Keras knows.
        logits = embedding(x, reverse=True) + bias(
            ops.zeros_like(tokens[:1, :1])
        )  # B T V
        if penalty and config.conditioning == "attention":
            add_penalty = decoders.AttentionPenalty(decoder.layer, penalty)
            logits = add_penalty(
                logits, words, _has_next(tokens), memory, vector
            )
        return logits

    return decode


def _has_next(tokens):
    """Return at which of the tokens `(B, T)` there is a next one."""
    is_last = ops.equal(tokens, Tokenizer.END)
    return ops.logical_not(ops.logical_or(is_last, ops.equal(tokens, 0)))


def _initialize(embedding, bias, frequencies, vectors):
    """Set word vectors, and a bias that predicts words by their frequency.

    So the first loss is the entropy of single words, not the logarithm of the
    vocabulary (Karpathy and Fei-Fei, 2015, code).
    """
    embedding.build()
    if vectors is not None:
        table = vectors / np.sqrt(np.mean(np.sum(vectors**2, axis=1)))
        embedding.embeddings.assign(table)
    bias.build()
    # One more of each, so that no logarithm is that of zero.
    counts = np.asarray(frequencies, "float64") + 1
    bias.embeddings.assign(np.log(counts / counts.sum())[None])


def names(origin: Origin | None, tokenizer: Tokenizer) -> dict[str, Names]:
    """Return what rows of weights belong to, in a run and in the data."""
    if origin is None:
        return {}
    words = origin.names("words", "vocabulary.txt", tokenizer.pieces)
    return {"tokens": words, "bias": words}


def compile_model(trained: keras.Model, config: Config, steps: int) -> None:
    """Set optimizer, loss and metric; `steps` is the length of training."""
    slow = ()
    if config.finetune:
        picture = trained.get_layer("picture")
        slow = picture.get_layer("encoder").trainable_variables
    trained.compile(
        adamw(
            config,
            steps,
            warmup=steps // 20,
            floor=0.02,
            beta_2=0.98,
            averaging=config.averaging,
            slow=slow,
            slowness=config.finetune_rate,
        ),
        loss=TokenCrossentropy(config.smoothing),
        metrics=[Perplexity()],
        jit_compile=compiled(config),
    )


class IncrementalDecoder:
    """A captioner, one token at a time, by the layers that were trained.

        picture = decoder.encode(inputs)
        state = decoder.initial_state(picture)
        logits, state = decoder.step(tokens, state, picture)

    Args:
        captioner: The `keras.Model`, just built or loaded.
        conditioning: One of `decoders.CONDITIONING`.
    """

    def __init__(self, captioner: keras.Model, conditioning: str):
        self.picture = captioner.get_layer("picture")
        self.embedding = captioner.get_layer("tokens")
        self.scale = captioner.get_layer("scale")
        self.outputs = captioner.get_layer("outputs")
        self.bias = captioner.get_layer("bias")
        self.decoder = decoders.CONDITIONING[conditioning].of_model(
            captioner, conditioning
        )
        self.has_attention = conditioning == "attention"

    def encode(self, inputs):
        """Return what the steps need of features or pictures `(B, ...)`."""
        memory, vector = self.picture(inputs, training=False)
        return memory, vector, self.decoder.prepare(memory, vector)

    def initial_state(self, picture):
        """Return the state before the first step, for `decoding`."""
        memory, vector, _ = picture
        states, weights = self.decoder.initial_state(memory, vector)
        return {"states": states, "weights": weights}

    def step(self, tokens, state, picture):
        """Take tokens `(N,)` to logits `(N, V)`; N is B, or B times K."""
        words = self.scale(self.embedding(tokens))  # N D
        x, states, weights = self.decoder.step(
            words, state["states"], picture[2]
        )
        logits = self.embedding(self.outputs(x), reverse=True)  # N V
        logits = logits + self.bias(ops.zeros_like(tokens[:1]))
        return logits, {"states": states, "weights": weights}

    def attention(self, inputs, captions):
        """Return the weights `(B, T, R)` while it writes captions `(B, T)`."""
        memory, vector = self.picture(inputs, training=False)
        return self.decoder.layer.attention_weights(
            self.scale(self.embedding(captions)),
            memory,
            initial_state=[vector],
        )
