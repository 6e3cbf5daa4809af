"""What DeepTone's sample for microphones does: send what is heard until that is over, then close.

The microphone hears a file (16 kHz, 16 bits, mono) and silence after it, until so many messages
have come. ``python deeptone_microphone.py URL KEY FILE MESSAGES``
"""

from __future__ import annotations

import io
import sys
import threading
import time
import wave

import websocket

CHUNK_SIZE = 1024  # samples of a message, and milliseconds of a result
FASTER = 10  # than real time

server, key, path, enough = sys.argv[1:]
told = 0


class Microphone:
    """As a stream of PyAudio is used."""

    def start_stream(self) -> None:
        with wave.open(path, "rb") as file:
            self._sound = io.BytesIO(file.readframes(file.getnframes()))

    def is_active(self) -> bool:
        return told < int(enough)

    def read(self, samples: int) -> bytes:
        time.sleep(samples / 16_000 / FASTER)
        return self._sound.read(2 * samples).ljust(2 * samples, b"\0")


stream = Microphone()


def on_message(ws: websocket.WebSocketApp, message: str) -> None:
    global told
    told += 1
    print(message)


def on_open(ws: websocket.WebSocketApp) -> None:
    stream.start_stream()

    def run() -> None:
        while stream.is_active():
            sound = bytearray(stream.read(CHUNK_SIZE))
            ws.send(sound, websocket.ABNF.OPCODE_BINARY)  # type: ignore[arg-type] # works
        ws.close()

    threading.Thread(target=run).start()


app = websocket.WebSocketApp(
    f"{server}/stream?models=speech&output_period={CHUNK_SIZE}&volume_threshold=0.0",
    header={"X-API-KEY": key},
    on_message=on_message,
    on_error=lambda _, error: print(error),
)
app.on_open = on_open
app.run_forever()
