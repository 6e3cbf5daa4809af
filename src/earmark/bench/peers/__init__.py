"""Programs that run one diarizer each, in an environment of that diarizer's own.

Nothing here is imported by the rest of Earmark. ``earmark bench`` starts ``-m peers.<name>`` from
the folder above with the Python of the environment it made; ``_serve`` says what goes in and out.
"""
