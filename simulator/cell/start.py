"""Starts the trusted process so that its addresses, and its workers', are the same in every cell.

``python -m simulator.cell.start ARGUMENTS`` hands ARGUMENTS to ``simulator.cell.pid1``. A kernel
that does not fix addresses starts it all the same; what a cell reports then says so.
"""

import os
import sys

from simulator.cell.addresses import fix_addresses

if __name__ == "__main__":
    fix_addresses()
    os.execv(
        sys.executable,
        [sys.executable, "-s", "-S", "-P", "-m", "simulator.cell.pid1", *sys.argv[1:]],
    )
