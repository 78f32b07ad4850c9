"""The guard's process: ``python -I -S .../sealtune/guard``, started by `Guard.start`.

Run by its path with no site packages, so that a broken environment cannot keep it from starting;
what lies beside the package cannot take the place of the standard library.
"""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from sealtune.guard.server import main

if __name__ == "__main__":
    main()
