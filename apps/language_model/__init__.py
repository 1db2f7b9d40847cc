"""Language model: tokens in, the next token out; it generates text."""
