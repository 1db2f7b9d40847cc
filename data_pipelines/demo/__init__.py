"""Demo data, written as files in the format that a user brings."""
