"""Templates for sequence tasks: one folder an app, each with the same files."""

import os
import sys
import tempfile


def _import_keras_quietly():
    """Imports keras, hiding the start-up notices of its backend.

    TensorFlow's C++ code writes half a dozen lines to standard error before
    any setting of ours can reach it.  They come out again if the import fails.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            import keras  # noqa: F401
        except BaseException:
            notices.seek(0)
            os.write(kept, notices.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


if "keras" not in sys.modules:
    _import_keras_quietly()
