"""Recurrent cells, one a file: the equations of one step."""
