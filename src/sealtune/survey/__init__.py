"""Surveys: a space measured systematically on a real machine, kept as a file, and read again.

``design`` decides what is measured and in which order, ``record`` measures, ``recording`` is the
file and ``lines`` what is in it, ``surface`` reads it as a response surface with its noise.
"""
