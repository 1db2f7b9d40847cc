"""The demo of forecasting."""
