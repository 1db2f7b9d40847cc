"""Forecasting: series in, their future out."""
