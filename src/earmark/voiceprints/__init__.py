"""Voiceprints: what a voice sounds like, comparable within one model."""

from __future__ import annotations

from earmark.voiceprints._voiceprint import Voiceprint

__all__ = ["Voiceprint"]
