"""Rollbook: a self-hosted users API."""

__version__ = "1.0.0"
