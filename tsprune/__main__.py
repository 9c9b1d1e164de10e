"""Where the command starts: Ctrl-C ends it without a traceback even while it is being loaded."""

import signal

# As nothing has begun, nothing need be said. Where SIGINT is ignored, as under nohup, it stays so.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from tsprune.cli import main

if __name__ == "__main__":
    main()
