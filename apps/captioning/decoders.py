"""How a picture enters the decoder, by name.

With w_t the vector of word t, a_r region r of the picture, v a vector of the
whole picture, and h_t = cell(x_t, h_{t-1}) the recurrence:

    attention      x_t = w_t; the output is tanh([c_t, h_t] @ W) with c_t the
                   mean of the regions, weighted by how well each suits h_t
                   (Xu et al., 2015, https://arxiv.org/abs/1502.03044, with
                   the order of Luong et al., 2015); h_0 = v
    every_step     x_t = [w_t, v]; so W_ih v is added to the projection of every
                   step, whatever the cell:
                   h_t = tanh(W_xh w_t + W_hh h_{t-1} + W_ih v) for the simple
                   one (Karpathy and Fei-Fei, 2015,
                   https://arxiv.org/abs/1412.2306, section 3.2, where it is
                   added at the first step only)
    first_step     x_0 = v, before the first word (Vinyals et al., 2015,
                   https://arxiv.org/abs/1411.4555, section 3)
    initial_state  h_0 = tanh(v @ W + b), in every layer, and so the memory c_0
                   where a cell has one (Xu et al., 2015, section 3.1.2); the
                   other states of a cell begin as they do

Each of the classes has the same four methods, over layers that a model keeps
under their names.

Letters of shapes: B batch, K hypotheses of a picture, N rows of a step, T time,
R regions, D size of a word vector, U units.
"""

import keras
from keras import ops

import rnn_layers

# The states that `initial_state` sets: the output and the memory.
GIVEN = 2


class Attending:
    """The way `attention`.

    Args:
        layer: A `rnn_layers.AttentionDecoder`.
    """

    def __init__(self, layer):
        self.layer = layer

    @classmethod
    def new(cls, config, compiled):
        """Makes the layers."""
        return cls(
            rnn_layers.AttentionDecoder(
                config.cell,
                config.units,
                config.attention_score,
                {"compiled": compiled},
                config.depth,
                name="decoder",
            )
        )

    @classmethod
    def of(cls, model, way):
        """Takes the layers of a model."""
        return cls(model.get_layer("decoder"))

    def __call__(self, words, memory, vector):
        """Runs over captions.

        Args:
            words: `(B, T, D)`.
            memory: `(B, R, U)`, the regions.
            vector: `(B, U)`.

        Returns:
            `(B, T, U)`.
        """
        return self.layer(words, memory, initial_state=[vector])

    def prepare(self, memory, vector):
        """Returns what every step needs of the picture."""
        return self.layer.prepare(memory)

    def begin(self, memory, vector):
        """Returns the states before the first word, and weights `(B, R)`."""
        states = self.layer.get_initial_state(ops.shape(vector)[0], [vector])
        return states, ops.zeros(ops.shape(memory)[:2])

    def step(self, words, states, prepared):
        """Takes one word `(N, D)`; the output, the states, the weights."""
        return self.layer.step(words, states, prepared)


class Reading:
    """The other three ways, where the decoder never looks at regions.

    Args:
        way: Their name.
        layers: Recurrent layers, the lowest first.
        first: For `initial_state`, the layer that makes their states of v.
    """

    def __init__(self, way, layers, first=None):
        self.way = way
        self.layers = layers
        self.first = first

    @classmethod
    def new(cls, config, compiled):
        """Makes the layers."""
        layers = [
            rnn_layers.rnn(
                config.cell,
                config.units,
                return_sequences=True,
                compiled=compiled,
                name=f"recurrent_{number + 1}",
            )
            for number in range(config.depth)
        ]
        if config.picture != "initial_state":
            return cls(config.picture, layers)
        size = sum(sum(layer.cell.state_size[:GIVEN]) for layer in layers)
        first = keras.layers.Dense(size, "tanh", name="first_states")
        return cls(config.picture, layers, first)

    @classmethod
    def of(cls, model, way):
        """Takes the layers of a model."""
        by_name = {layer.name: layer for layer in model.layers}
        found = [name for name in by_name if name.startswith("recurrent_")]
        layers = [by_name[name] for name in sorted(found)]
        return cls(way, layers, by_name.get("first_states"))

    def __call__(self, words, memory, vector):
        """Runs over captions; see `Attending`."""
        picture = ops.expand_dims(vector, 1)  # B 1 ?
        states = [None] * len(self.layers)
        if self.way == "every_step":
            picture = picture + ops.zeros_like(words[..., :1])
            x = ops.concatenate([words, picture], axis=-1)  # B T D+U
        elif self.way == "first_step":
            x = ops.concatenate([picture, words], axis=1)  # B 1+T D
        else:
            x = words
            states = self._states(vector)
        for layer, first in zip(self.layers, states, strict=True):
            x = layer(x, initial_state=first)
        return x[:, 1:] if self.way == "first_step" else x

    def _states(self, vector):
        """Returns the states of each layer before the first input."""
        rows = ops.zeros_like(vector[:, :1])  # B 1, where B is not known yet
        states = [
            [state + rows for state in layer.cell.get_initial_state(1)]
            for layer in self.layers
        ]
        if self.way == "initial_state":
            given, end = self.first(vector), 0
            for own in states:
                for number, state in enumerate(own[:GIVEN]):
                    begin, end = end, end + state.shape[-1]
                    own[number] = ops.cast(given[:, begin:end], state.dtype)
        return states

    def prepare(self, memory, vector):
        """Returns what every step needs of the picture."""
        return vector

    def begin(self, memory, vector):
        """Returns the states before the first word, and no weights."""
        states = self._states(vector)
        if self.way == "first_step":
            _, states = self._advance(vector, states)
        return states, ops.zeros((ops.shape(vector)[0], 1))

    def step(self, words, states, vector):
        """Takes one word `(N, D)`; the output, the states, the weights."""
        if self.way == "every_step":
            words = _beside(words, vector)
        output, states = self._advance(words, states)
        return output, states, ops.zeros((ops.shape(words)[0], 1))

    def _advance(self, x, states):
        new = []
        for layer, own in zip(self.layers, states, strict=True):
            x, own = layer.step(x, own)
            new.append(own)
        return x, new


def _beside(words, vector):
    """Puts `(B, U)` beside `(N, D)`: that of a picture for each of K rows."""
    rows = ops.reshape(words, (ops.shape(vector)[0], -1, words.shape[-1]))
    vector = ops.expand_dims(vector, 1) + ops.zeros_like(rows[..., :1])
    both = ops.concatenate([rows, vector], axis=-1)  # B K D+U
    return ops.reshape(both, (-1, both.shape[-1]))


# Name -> class.
WAYS = {
    "attention": Attending,
    "every_step": Reading,
    "first_step": Reading,
    "initial_state": Reading,
}


class AttentionPenalty(keras.layers.Layer):
    """Asks the decoder to look at every region, over a whole caption.

        penalty * mean over captions of sum_r (1 - sum_t a_tr) ** 2

    Doubly stochastic attention: Xu et al., 2015, section 4.2.1, equation 14.
    The output is the logits, unchanged; the attention is computed a second
    time for it.

    Args:
        decoder: The `rnn_layers.AttentionDecoder`.
        penalty: The factor.

    Call arguments: logits `(B, T, V)`, words `(B, T, D)`, real words boolean
    `(B, T)`, memory `(B, R, U)`, vector `(B, U)`.
    """

    def __init__(self, decoder, penalty, **kwargs):
        super().__init__(**kwargs)
        self.decoder = decoder
        self.penalty = penalty

    def call(self, logits, words, real, memory, vector):
        weights = self.decoder.attention_weights(
            words, memory, initial_state=[vector]
        )  # B T R
        real = ops.cast(real, weights.dtype)  # B T
        seen = ops.sum(weights * ops.expand_dims(real, -1), axis=1)  # B R
        missed = ops.sum(ops.square(1 - seen), axis=-1)  # B
        self.add_loss(self.penalty * ops.mean(missed))
        return logits
