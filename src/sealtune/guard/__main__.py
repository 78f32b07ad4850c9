"""The guard's process: ``python -I -S .../sealtune/guard``, started by `Guard.start`.

Run by its path with no site packages, so that a broken environment cannot keep it from starting.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from sealtune.guard.server import main

if __name__ == "__main__":
    main()
