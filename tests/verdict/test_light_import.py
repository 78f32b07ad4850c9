import subprocess
import sys

import sealtune.verdict


def test_importing_the_verdict_loads_nothing_heavy():
    """
    The package alone imports neither numpy nor scipy, and yet offers every public name.
    """
    code = (
        "import sys, sealtune.verdict; from sealtune.verdict import plan_clock; "
        "print([name for name in ('numpy', 'scipy', 'torch', 'pydantic') if name in sys.modules])"
    )
    path = ":".join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True
    )

    assert "[]" == done.stdout.strip(), done.stderr
    assert all(getattr(sealtune.verdict, name) is not None for name in sealtune.verdict.__all__)
