"""Text classifier: words read by a recurrent stack, pooled by attention.

    tokens [B, T] -> word vectors [B, T, D] -> states [B, T, U] -> pooled [B, U]
    -> probabilities [B, C]

Letters of shapes: B batch, T words, D size of a word vector, U units (twice as
many when bidirectional), C classes, V vocabulary.  Word 0 is padding.
"""

import keras
from keras import layers

import rnn_layers
from apps.common.optimizer import AdamW


def build(config, vocabulary_size, classes, vectors=None):
    """Returns the classifier: `(B, T)` word numbers in, `(B, C)` out.

    Args:
        config: The `Config`.
        vocabulary_size: V.
        classes: C.
        vectors: Optional `(V, D)` array of word vectors to begin from.
    """
    size = config.embedding_size if vectors is None else vectors.shape[1]
    embedding = layers.Embedding(
        vocabulary_size, size, mask_zero=True, name="words"
    )
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    x = embedding(tokens)  # B T D
    if vectors is not None:
        embedding.set_weights([vectors])
    # Hidden words teach the model not to lean on single ones, dropped features
    # not to lean on single directions of the vectors.
    x = layers.Dropout(config.word_dropout, noise_shape=(None, None, 1))(x)
    x = layers.SpatialDropout1D(config.dropout)(x)
    x = rnn_layers.stack(
        config.cell,
        config.units,
        config.depth,
        bidirectional=config.bidirectional,
        dropout=config.dropout,
        return_sequences=True,
        name="recurrent",
    )(x)  # B T U
    x, _ = rnn_layers.AttentionPooling(return_weights=True, name="attention")(x)
    x = layers.Dropout(config.dropout)(x)  # B U
    probabilities = layers.Dense(
        classes, activation="softmax", dtype="float32", name="classes"
    )(x)  # B C
    return keras.Model(tokens, probabilities, name="sentiment")


def compile(classifier, config, steps, metrics):
    """Sets optimizer, loss and metrics; `steps` is the length of training."""
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(steps - steps // 10, 1),
        alpha=0.05,
        warmup_target=config.learning_rate,
        warmup_steps=steps // 10,
    )
    classifier.compile(
        AdamW(
            schedule,
            weight_decay=config.weight_decay,
            global_clipnorm=config.clip_norm or None,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=metrics,
        jit_compile=config.jit_compile,
    )


def explainer(classifier):
    """Returns the same model with a second output: the weight of each word.

    The weights `(B, T)` are those of the attention pooling; they add up to one
    over the words of a text and are zero at padding.
    """
    _, weights = classifier.get_layer("attention").output
    return keras.Model(classifier.input, [classifier.output, weights])
