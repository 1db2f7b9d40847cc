"""What the tests of the layers do between them."""

import keras


def pytest_runtest_teardown(item, nextitem):
    """JAX keeps all it has compiled: gigabytes after some hundred tests."""
    last = nextitem is None or nextitem.function is not item.function
    if last and keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
