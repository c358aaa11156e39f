"""What the site and the workers say to each other; both sides read this and it reads nothing.

The standard library alone is imported here, so that either side can be deployed before the other: a reader
ignores fields that it does not know, and a field that is added has a default.

    commands   what the site asks of a host, in the imperative; may fail, and is answered by a job's events
    events     what a host says has happened, in the past tense; numbered, replayable, never lost
    frames     bytes that need no memory in the database: logs now; terminals, archives and contexts later
    near       the same by a socket in the home, where site and host share one
    wire       dataclasses to JSON objects and back
    keys       the names of the broker's streams, queues and keys
"""
