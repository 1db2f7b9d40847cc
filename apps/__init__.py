"""Templates for sequence tasks: one folder an app, each with the same files."""

import contextlib
import gc
import importlib.machinery
import os
import sys
import tempfile


class _Quietly:
    """Imports keras and tensorflow without the notices of their start.

    TensorFlow's C++ code writes half a dozen lines to standard error before
    any setting of ours can reach it. They come out again if the import fails.
    Keras also imports scikit-learn, pyplot and pandas wherever they are
    installed, which takes as long as half of TensorFlow and serves nothing
    here: it is told that there are none, until it is imported. Nor does anybody
    look for garbage among the modules, which costs a quarter of the time.
    """

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        """Return the module's own spec, whose execution is quiet."""
        if name not in ("keras", "tensorflow"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None:
            execute = spec.loader.exec_module
            spec.loader.exec_module = lambda module: cls._run(execute, module)
        return spec

    @staticmethod
    def _run(execute, module):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        absent = _absent({"matplotlib", "pandas", "sklearn"})
        with _hidden_notices(), absent, _uncollected():
            execute(module)


@contextlib.contextmanager
def _hidden_notices():
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


@contextlib.contextmanager
def _absent(names):
    names = names - set(sys.modules)
    sys.modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


@contextlib.contextmanager
def _uncollected():
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what is imported stays: never look at it again
        # Models and graphs stay, too: not after every 700 new objects.
        gc.set_threshold(50_000, *gc.get_threshold()[1:])
        if enabled:
            gc.enable()


sys.meta_path.insert(0, _Quietly)
