"""What DeepTone's sample for files does: all of a file at once, and then only listen.

It sends as its original does, message by message: 1024 samples each as fast as it can, never the
last sample of the file, no end and no close. ``python deeptone_file.py URL KEY FILE``
"""

from __future__ import annotations

import sys
import threading

import websocket
from scipy.io import wavfile

CHUNK_SIZE = 1024  # samples of a message, and milliseconds of a result

server, key, path = sys.argv[1:]
_, samples = wavfile.read(path)


def send_all(ws: websocket.WebSocketApp) -> None:
    for first in range(0, len(samples), CHUNK_SIZE):
        last = min(len(samples) - 1, first + CHUNK_SIZE)
        ws.send(samples[first:last].tobytes(), websocket.ABNF.OPCODE_BINARY)


def on_close(ws: websocket.WebSocketApp) -> None:
    print("### closed ###")


app = websocket.WebSocketApp(
    f"{server}/stream?models=speech&output_period={CHUNK_SIZE}&volume_threshold=0.0",
    header={"X-API-KEY": key},
    on_message=lambda _, message: print(message),
    on_error=lambda _, error: print(error),
    on_close=on_close,  # type: ignore[arg-type] # as older versions of the client call it
)
app.on_open = lambda ws: threading.Thread(target=send_all, args=(ws,)).start()
app.run_forever()
