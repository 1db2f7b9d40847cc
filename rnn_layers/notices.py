"""Import Keras without the notices of TensorFlow's start.

Its C++ code writes half a dozen lines to standard error, that there is no GPU
and the like, before any setting of Python's reaches it. They come out if the
import fails; what it says later is up to TF_CPP_MIN_LOG_LEVEL, here 3.
"""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def hidden():
    """Hide what is written to standard error, but if there is an error."""
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            yield
        except BaseException:
            notices.seek(0)
            os.write(own, notices.read())
            raise
        finally:
            os.dup2(own, 2)
            os.close(own)


if "keras" not in sys.modules and sys.stderr:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with hidden():
        import keras  # noqa: F401
