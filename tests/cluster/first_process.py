"""The first process of a host: it lives as long as somebody holds its pipe, then ends all others.

It is started by path, without our packages. Its arguments are the host's folder and control groups,
which it removes at the end.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path


def main() -> None:
    """Reap what ends, until the pipe on standard input is closed; then end what is left."""
    if os.getpid() != 1:
        sys.exit("this is for the first process of a namespace: it ends all others")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while os.read(0, 1):
        pass
    while sum(path.name.isdigit() for path in Path("/proc").iterdir()) > 1:
        with suppress(ProcessLookupError):  # they have ended meanwhile
            os.kill(-1, signal.SIGKILL)  # again: somebody may just be entering
        time.sleep(0.01)
    files, *groups = map(Path, sys.argv[1:])
    for group in groups:
        for path in sorted([group, *group.rglob("*/")], reverse=True):
            with suppress(OSError):
                path.rmdir()
    shutil.rmtree(files, ignore_errors=True)
    with suppress(OSError):  # the folders of other hosts are still there
        files.parent.rmdir()


main()
