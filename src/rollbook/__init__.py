"""Rollbook: a self-hosted users API."""

__version__ = "0.1.0"
