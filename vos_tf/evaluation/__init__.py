"""Measures, protocols and tables of scores. No TensorFlow here."""
