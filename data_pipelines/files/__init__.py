"""Files and tables: reading, splits, caches, progress, errors."""
