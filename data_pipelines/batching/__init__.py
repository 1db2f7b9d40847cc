"""Which rows stand in which batch."""
