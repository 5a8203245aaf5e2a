"""A fault that strikes when a file is opened for writing, put into every Python process of a test.

`run` starts a command with it as ``sitecustomize``; the environment says what befalls whom:

FAULT        SIGTERM, SIGKILL, full, read-only; "parent SIGTERM", "parent SIGKILL": the process' parent gets it
FAULT_UNDER  the folder in which files are counted
FAULT_ON     a pattern for their paths
FAULT_AT     at which of these files it strikes; "full" strikes at all that follow, too, "read-only" at each
"""

import os
import subprocess
import sys

HOOK = """
import errno, fnmatch, os, signal, sys

fault, under = os.environ.get("FAULT", ""), os.environ.get("FAULT_UNDER")
on, left = os.environ.get("FAULT_ON", "*"), [int(os.environ.get("FAULT_AT", 2))]
writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def strike(event, given):
    if event == "open" and isinstance(given[0], (str, bytes, os.PathLike)):
        path, hit = os.fsdecode(given[0]), bool(given[2] & writing)
    elif event == "os.rename":
        path, hit = os.fsdecode(given[1]), True
    else:
        return
    path = os.path.abspath(path)
    if not hit or not path.startswith(under) or not fnmatch.fnmatch(path, on):
        return
    if fault == "read-only":
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    left[0] -= 1
    if left[0] > 0:
        return
    if fault == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if left[0] == 0:
        who = os.getppid() if fault.startswith("parent ") else os.getpid()
        os.kill(who, getattr(signal, fault.split()[-1]))

if fault:
    sys.addaudithook(strike)
"""


def run(folder, words, fault=None, *, under=None, on="*", at=2, program=None, **variables):
    """Run orapo, or a program of a test's own, with a fault; the folder gets the hook."""
    hook = folder / "hook"
    hook.mkdir(exist_ok=True)
    (hook / "sitecustomize.py").write_text(HOOK)
    path = os.pathsep.join(filter(None, [str(hook), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, **variables}
    if fault is not None:
        environment |= {"FAULT": fault, "FAULT_UNDER": str(under)}
        environment |= {"FAULT_ON": on, "FAULT_AT": str(at)}
    start = ["-m", "orapo"] if program is None else ["-c", program]
    return subprocess.run(
        [sys.executable, *start, *map(str, words)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
