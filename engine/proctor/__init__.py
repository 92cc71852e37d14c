"""Proctor decides whether AI may go ahead: governance as code on Open Policy Agent."""

__version__ = "0.1.0"
