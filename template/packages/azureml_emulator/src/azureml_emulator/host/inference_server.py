"""Runs Azure's inference server for one deployment, in place of the container that Azure runs it in.

It listens on this machine only, where the server itself would listen to the whole network, and ends when whoever
started it ends, however that happens: the pipe between them closes then.
"""

import os
import signal
import threading

from azureml_inference_server_http import amlserver


def main() -> None:
    """Serve until told to stop."""
    amlserver.DEFAULT_HOST = "127.0.0.1"
    threading.Thread(target=_end_with_the_host, daemon=True).start()
    amlserver.run()


def _end_with_the_host() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
