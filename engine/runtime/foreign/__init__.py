"""Containers that somebody else's OCI runtime makes: crun, runc, runsc, kata, or any that a setting names.

    Runtime (client.py) ─ runtime.json in the container's directory? ─► Foreign (service.py)
        │ the same packet to the launcher, with "foreign" in it
    launcher ─ fork ─► M (birth.py), which becomes the monitor, as of our own containers
                        │ fork
                        H (maker.py), in a mount namespace of its own: mounts the root and what is bound where the
                           container's users can reach it (place.py), writes the bundle (config.py), calls
                           `RUNTIME create`, waits on init.sock, calls `RUNTIME start`, and ends

The container's process, which `create` leaves behind, becomes M's child, since M is a subreaper; so pipes, exit
code, signals, restarts and the keeper work as they do with our own. `installed.py` finds the runtimes.
"""
