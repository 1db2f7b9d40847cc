"""Templates for sequence tasks: one folder an app, each with the same files."""

import os
import sys
import tempfile


def _import_keras_quietly():
    """Import keras, hiding the start-up notices of its backend.

    TensorFlow's C++ code writes half a dozen lines to standard error before
    any setting of ours can reach it. They come out again if the import fails.
    Keras also imports scikit-learn and pyplot wherever they are installed,
    which takes as long as half of TensorFlow and serves nothing here: it is
    told that there are none, until it is imported.
    """
    optional = {"matplotlib", "sklearn"} - set(sys.modules)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        sys.modules.update(dict.fromkeys(optional))
        try:
            import keras  # noqa: F401
        except BaseException:
            notices.seek(0)
            os.write(kept, notices.read())
            raise
        finally:
            for name in optional:
                del sys.modules[name]
            os.dup2(kept, 2)
            os.close(kept)


if "keras" not in sys.modules:
    _import_keras_quietly()
