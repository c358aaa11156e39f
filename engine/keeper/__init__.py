"""The keeper: one small process per home that moves log bytes, sees deaths and restarts what shall run.

    container ──pipe──► keeper ──splice──► log/            containers' pidfds ──► keeper
                          │                                                        │ "reap", "restart"
                          └──────────── socket pair ──────► hands (the whole engine, only while needed)

`loop` is single-threaded and never waits for anything but epoll; whatever may take time (locks, netlink, SQLite)
is done by `hands`, a child with the whole engine loaded, which goes away after a minute without work. Both may
be killed at any moment: the monitors keep the pipes and the exit codes, `run/live` says what must be looked
after, and every job of the hands can be done twice.
"""
