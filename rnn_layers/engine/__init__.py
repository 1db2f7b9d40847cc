"""TensorFlow: how the step of a cell runs over time, fast and exact."""
