"""Text classifier: words read by a recurrent stack, pooled by attention.

    tokens [B, T] -> word vectors and n-gram ratios [B, T, D + K]
    -> states [B, T, U] -> pooled [B, U] -> probabilities [B, C]

Letters of shapes: B batch, T words, D size of a word vector, K n-gram ratios of
a word, U units (twice as many when bidirectional), C classes, V vocabulary.
Word 0 is padding.
"""

import keras
from keras import layers, ops

import rnn_layers
from apps.common.optimizer import AdamW


def build(config, vocabulary_size, classes, ratios, vectors=None):
    """Returns the model to train and the classifier to keep.

    They share all trained weights.  The classifier turns `(B, T)` word numbers
    into `(B, C)` probabilities.  The model to train is the same one, or, if
    there are ratios, takes them as a second input `(B, T, K)`, because a
    training text needs other ratios than a new one.

    Args:
        config: The `Config`.
        vocabulary_size: V.
        classes: C.
        ratios: The `ratios.Ratios` of the training texts.
        vectors: Optional `(V, D)` array of word vectors to begin from.
    """
    read = _reader(config, vocabulary_size, classes, vectors)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    if not ratios.width:
        classifier = keras.Model(tokens, read(tokens), name="sentiment")
        return classifier, classifier
    given = keras.Input((None, ratios.width), name="given_ratios")
    trained = keras.Model([tokens, given], read(tokens, given))
    found = ratios.lookup(tokens)
    return trained, keras.Model(tokens, read(tokens, found), name="sentiment")


def _reader(config, vocabulary_size, classes, vectors):
    """Returns a function of `(B, T)` tokens and `(B, T, K)` ratios."""
    size = config.embedding_size if vectors is None else vectors.shape[1]
    embedding = layers.Embedding(vocabulary_size, size, name="words")
    if vectors is not None:
        embedding.build()
        embedding.set_weights([vectors])
    # Hidden words teach the model not to lean on single ones, dropped features
    # not to lean on single directions of the vectors.
    hide_words = layers.Dropout(config.word_dropout, (None, None, 1))
    drop_features = layers.SpatialDropout1D(config.dropout)
    recurrent = rnn_layers.stack(
        config.cell,
        config.units,
        config.depth,
        bidirectional=config.bidirectional,
        dropout=config.dropout,
        return_sequences=True,
        name="recurrent",
    )
    pool = rnn_layers.AttentionPooling(return_weights=True, name="attention")
    drop_pooled = layers.Dropout(config.dropout)
    classify = layers.Dense(
        classes, activation="softmax", dtype="float32", name="classes"
    )

    def read(tokens, ratios=None):
        real = ops.not_equal(tokens, 0)  # B T
        x = drop_features(hide_words(embedding(tokens)))  # B T D
        if ratios is not None:
            x = layers.Concatenate()([x, ratios])  # B T D+K
        x = recurrent(x, mask=real)  # B T U
        x, _ = pool(x, mask=real)  # B U
        return classify(drop_pooled(x))  # B C

    return read


def compile(trained, config, steps, metrics):
    """Sets optimizer, loss and metrics; `steps` is the length of training."""
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(steps - steps // 10, 1),
        alpha=0.05,
        warmup_target=config.learning_rate,
        warmup_steps=steps // 10,
    )
    trained.compile(
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
    """Returns a loaded classifier with a second output: the words' weights.

    The weights `(B, T)` are those of the attention pooling; they add up to one
    over the words of a text and are zero at padding.
    """
    _, weights = classifier.get_layer("attention").output
    return keras.Model(classifier.input, [classifier.output, weights])
