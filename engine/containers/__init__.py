"""The life of a container: what it is (spec), what is known of it (record), what may happen to it (states).

    spec      what a person asks for, checked
    states    which verb is allowed in which status: a table
    restarts  whether and when a container that died is started again: a function
    record    the host's memory of one container: a JSON file, replaced atomically
    catalog   all records of a home, their names, and one lock per container
    process   image and spec merged into the process that runs
    bundle    what a container's directory holds
    spares    directories as they begin, made ahead
    creation, starting, stopping, reaping, removal, recovery   one step of life each
    service   `Containers`, which ties the steps together

A container's directory, `<home>/containers/<id>/`:

    container.json            the record                     bundle/config.json   OCI runtime spec
    resolv.conf hosts hostname   bind-mounted                bundle/rootfs/       mount point, empty on the host
    stdout stderr             FIFOs the container writes to  run.json             the launcher's note of a run
    log/                      log segments                   exit.<run>           the monitor's note of its end
    lock                      flock for every transition
"""
