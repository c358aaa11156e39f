#!/usr/bin/env python3
"""Portside's commands: `python manage.py help` lists them."""

import gc
import os
import sys

if __name__ == "__main__":
    gc.set_threshold(50_000, 20, 20)  # what is being loaded is no garbage: a tenth of the start went into looking at it
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webui.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Portside's environment is not there yet: run `make setup`, or `make run` which does it by itself.")
    try:
        import webui.settings  # noqa: F401  Django would hide what is wrong with it behind "Unknown command"
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    from webui.asking import CONSOLE, SITE, asked

    with asked(SITE if sys.argv[1:2] in (["inbox"], ["site"], ["up"]) else CONSOLE):
        execute_from_command_line(sys.argv)
