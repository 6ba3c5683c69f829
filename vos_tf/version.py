"""The version of vos_tf, readable without importing anything."""

__version__ = "0.1.0"
