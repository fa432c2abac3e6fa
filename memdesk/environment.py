"""What native libraries are told through the environment, before any of them has a thread.

None may be written later: a thread of LanceDB that reads the environment while another one writes to
it reads freed memory (setenv(3) is not thread-safe), and the process dies of it (seen once, in
`memdesk torture`, while a model was loaded beside an open store). So every room with a native library
imports this first. Standard library only.
"""

from __future__ import annotations

import os

_TOLD = {
    "LANCEDB_LOG": "error",
    "OMP_WAIT_POLICY": "passive",
    "OMP_NUM_THREADS": "1",
    "GGML_NO_BACKTRACE": "1",  # on an abort ggml would start a debugger and print what it says
}

for name, value in _TOLD.items():
    os.environ.setdefault(name, value)
