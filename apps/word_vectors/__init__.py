"""Word vectors: CBOW and skip-gram with negative sampling."""
