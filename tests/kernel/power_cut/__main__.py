"""Cut the power at every moment, print counts, exit 1 when anything was lost or made up."""

import argparse
import os
import sys

from tests.kernel import power_cut
from tests.kernel.power_cut.cutting import cut_and_recover, tear_and_recover
from tests.kernel.power_cut.recording import How


def main() -> int:
    """Cut, recover, print counts; return 1 when anything was lost or made up."""
    parser = argparse.ArgumentParser(description=power_cut.__doc__)
    parser.add_argument(
        "--lost", type=int, default=6, help="combinations of lost requests after each request"
    )
    parser.add_argument(
        "--most", type=int, default=0, help="examine at most so many cuts (0: all)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--without-fsync", action="store_true", help="break it: this has to find losses"
    )
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("error: mounting an image needs root")
    wrong = 0
    for beside in (False, True):
        how = How(chosen.lost, not chosen.without_fsync, beside, chosen.seed)
        wrong += len(cut_and_recover(how, chosen.most).wrong)
    wrong += len(tear_and_recover(101 if chosen.most else 1).wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
