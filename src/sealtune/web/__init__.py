"""The live dashboard: pages that follow a session from the store, and two buttons.

It reads the store and the kernel's present values. It cannot write a parameter: stopping and
keeping a gain are asked of the session itself, over `sealtune.control`.
"""
