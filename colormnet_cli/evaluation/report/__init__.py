"""The results as one page of HTML that needs nothing else: no network, no files beside it."""

from .page import write_report

__all__ = ["write_report"]
