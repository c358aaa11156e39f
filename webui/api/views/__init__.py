"""The views of `/api/v1/`, a file per resource: each translates, calls one service, translates back."""
