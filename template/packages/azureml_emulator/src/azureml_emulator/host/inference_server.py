"""Runs Azure's inference server for one deployment, in place of Azure's container.

It listens on this machine only, while the server itself would listen on the whole network. It ends when its starter
ends, even if that is killed, because the pipe between them closes.
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
