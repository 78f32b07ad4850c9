"""Chaos: kill the processes of real tuning sessions at random moments, and look at the machine.

As root: ``python -m tests.kernel.chaos --kills 1000 --seed 1``. One module says what the machine
looks like (`machine`), one runs real sessions quickly (`sessions`), one finds and hits processes
(`victims`), one deals out what is done (`deck`), one waits for its moment (`aim`), one does it and
sees the values come back (`kills`), one looks at what is left in the end (`aftermath`).
"""
