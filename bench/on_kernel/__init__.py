"""Searches on the real kernel, all tacticians on one machine at one time, then fresh runs.

``python -m bench.on_kernel`` runs it and docs/on-kernel.md explains it. ``lines`` is what the file
holds, ``book`` the file, ``study`` decides what is run and in which order, ``sitting`` runs it,
``outcome`` judges it, ``table`` shows it.
"""
