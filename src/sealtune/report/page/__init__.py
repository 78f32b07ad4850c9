"""A session as one HTML file: nothing to load, no script, for the screen, the telephone and A4."""

from sealtune.report.page.page import report_page

__all__ = ["report_page"]
