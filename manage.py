#!/usr/bin/env python3
"""Portside's commands: `python manage.py help` lists them."""

import os
import sys

if __name__ == "__main__":
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

    with asked(SITE if sys.argv[1:2] in (["inbox"], ["up"]) else CONSOLE):
        execute_from_command_line(sys.argv)
