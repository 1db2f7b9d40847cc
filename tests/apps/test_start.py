"""What a command imports before it begins."""

from tests.apps.tools import ROOT, in_a_new_process

SCRIPT = """
import sys
from pathlib import Path
from apps.common.serving import server, site
for path in Path("apps").glob("*/serve.py"):
    assert site.service_of(path.parent.name)
assert not {"keras", "matplotlib", "tensorflow"} & set(sys.modules)
import apps.captioning.predict
import apps.forecasting.predict
import apps.language_model.predict
import apps.sentiment.predict
import apps.translation.predict
import apps.word_vectors.predict
slow = {"matplotlib", "pandas", "pycocoevalcap", "sacrebleu", "sklearn"}
assert not slow & set(sys.modules), slow & set(sys.modules)
assert not {"tensorflow_datasets"} & set(sys.modules)
import matplotlib.pyplot
import sklearn.linear_model
"""


def test_predict_imports_nothing_that_draws_or_scores():
    """Nor does Keras for it; both are there for those who import them.

    The server of the web pages does not even import TensorFlow.
    """
    in_a_new_process(SCRIPT, ROOT)
