"""What the tests of the layers do between them."""

import keras
import pytest


@pytest.fixture(autouse=True)
def usual_mode():
    """Trainings of the apps' tests leave TensorFlow's deterministic mode on.

    Keras compiles nothing with XLA there, and TensorFlow has no public way out.
    """
    if keras.backend.backend() == "tensorflow":
        from tensorflow.python.framework import config

        config.disable_op_determinism()


def pytest_runtest_teardown(item, nextitem):
    """JAX keeps all it has compiled: gigabytes after some hundred tests."""
    last = nextitem is None or nextitem.function is not item.function
    if last and keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
