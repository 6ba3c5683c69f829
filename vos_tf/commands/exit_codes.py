"""How every command line ends: well, with one sentence about a mistake, or interrupted."""

from __future__ import annotations

import sys
from collections.abc import Callable

from vos_tf.errors import IncompleteError, VosError

INCOMPLETE = 3
INTERRUPTED = 130


def run(application: Callable[[], object]) -> None:
    """Run a command line; a user's mistake becomes one sentence on the error stream and exit code 1.

    Input that ended early is a warning and exit code 3: there are results, but not of all of it.
    """
    try:
        application()
    except IncompleteError as end:
        sys.stderr.write(f"warning: {end}\n")
        sys.exit(INCOMPLETE)
    except VosError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as end:
        # Typer turns Ctrl-C into this exit code, without a word.
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        sys.stderr.write("interrupted; run the same command again to continue\n")
        sys.exit(INTERRUPTED)
