"""Side-by-side measurements; they write the tables of the pages."""

import apps  # noqa: F401 (TensorFlow starts without its notices)
