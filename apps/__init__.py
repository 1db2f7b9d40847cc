"""Templates for sequence tasks: one folder an app, each with the same files."""

import os

# TensorFlow reads this when it is imported; its start-up notices are not news
# to somebody who trains a model.  An explicit setting of the user's wins.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
