"""The embedded DNS of networks of a name: one small process per home answers in every container at 127.0.0.11.

    container ──127.0.0.11:53──► socket made in its namespace ─► answerer (nobody, no rights) ─► names, or forward
                                        ▲                            ▲
    engine ──"look at <id>"──► warden (root) ── sockets, names ──────┘        store ──► warden

link         what the rest of the engine uses: start the process, tell it of a change, start it again
warden       holds the sockets, reads the store, makes the answerer; it never sees a packet
answerer     reads packets and answers; it sees nothing but its sockets and what the warden tells
confinement  the rights that it gives up before
forward      what is no name of ours goes to the container's or the host's name servers
lines        the sockets by which those are asked
names        which name leads to which addresses, seen from each container
message      DNS on the wire
records      what names are made of, in the store
inside       sockets and a rule in a container's network namespace
channel      messages with descriptors between processes
hosts_own    the host's name servers

Either half may be killed: the warden has the answerer's sockets, an answerer without a warden goes on with what it
knows until the next one takes over. Why it is so: docs/adr/0023.
"""
