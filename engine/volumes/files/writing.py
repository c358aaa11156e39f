"""A whole file in from a pipe: it is there when all of it has come, or nothing has changed.

The bytes go into a file without a name (O_TMPFILE), which takes its place in one step. So a container never sees half
of it, and what is cut short leaves nothing; a container that has the old file open keeps reading that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import threading
from dataclasses import dataclass

from engine.errors import AlreadyExists, Cancelled, Conflict
from engine.runtime import kernel
from engine.volumes.files import changing
from engine.volumes.files import entry as entries
from engine.volumes.files.beneath import rename_new
from engine.volumes.files.entry import Entry
from engine.volumes.files.paths import names_of, shown, text
from engine.volumes.files.tree import Tree, explained, require_file

PIECE_BYTES = 256 << 10
_NAMELESS_NOT_HERE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)
_CAP_SYS_RESOURCE = 1 << 24
_PERMISSIONS = 0o777


@dataclass(frozen=True, slots=True)
class Terms:
    """What has to hold when the file takes its place. `etag`: it replaces just this content; `is_new`: nothing.

    `parents`: directories on the way that are missing are made. `size`: so many bytes have to come; None: any.
    """

    etag: str | None = None
    is_new: bool = False
    parents: bool = False
    size: int | None = None


ANYHOW = Terms()


class Upload:
    """`stream` takes the bytes; `finish` once all are written there, `close` in any case.

    `over` becomes readable when the work has ended by itself, which is early if something goes wrong.
    """

    _placing = threading.Lock()  # between looking at what is replaced and replacing it nobody else of ours comes

    def __init__(self, tree: Tree, path: str, terms: Terms) -> None:
        tree.refuse_changes()
        self._tree, self._terms = tree, terms
        above = names_of(path)[:-1]
        if terms.parents and above:
            changing.make_directory(tree, text(b"/".join(above)), parents=True)
        self._names = self._aim(path)
        with tree.parent(text(b"/".join(self._names))) as (parent, name, _):
            self._check(parent, name)
            self._parent = os.dup(parent)
        self._reader, self.stream = os.pipe2(os.O_CLOEXEC)
        self.over, self._over_write = os.pipe2(os.O_CLOEXEC)
        self._is_whole = False
        self._entry: Entry | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="file-in", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """All bytes have been written."""
        self._is_whole = True
        self._close_stream()

    def wait(self) -> Entry:
        """The file in its place. Raises what went wrong; then the volume is as before."""
        self._close_stream()
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._entry is not None
        return self._entry

    def close(self) -> None:
        """Break off, unless `finish` was called."""
        self._close_stream()
        self._thread.join()
        if self.over >= 0:
            os.close(self.over)
            self.over = -1

    def _close_stream(self) -> None:
        if self.stream >= 0:
            os.close(self.stream)
            self.stream = -1

    def _aim(self, path: str) -> tuple[bytes, ...]:
        """A link is written through, to where it leads inside of the volume; one that leads nowhere stays an error."""
        with self._tree.parent(path) as (parent, name, names):
            try:
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            except OSError:
                return names
        return self._tree.aim(names) if stat.S_ISLNK(found.st_mode) else names

    def _check(self, parent: int, name: bytes) -> os.stat_result | None:
        """What is replaced, None for nothing. Raises Conflict, AlreadyExists for terms that don't hold."""
        found = None
        with contextlib.suppress(FileNotFoundError):
            node = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                found = require_file(node, self._names)
            finally:
                os.close(node)
        if found is not None and self._terms.is_new:
            raise AlreadyExists(f"{shown(self._names)} is there already: choose another name", {"precondition": True})
        if self._terms.etag is not None and (found is None or entries.etag_of(found) != self._terms.etag):
            what = "is gone" if found is None else "was changed by somebody else"
            raise Conflict(
                f"{shown(self._names)} {what} since you read it: read it again, or write it whatever is there",
                {"precondition": True},
            )
        return found

    # ---- in the thread

    def _run(self) -> None:
        try:
            _obey_quotas()
            with explained(self._names):
                self._entry = self._take()
        except BaseException as error:  # noqa: BLE001  whatever it was, `wait` raises it
            self._error = error
        finally:
            for descriptor in (self._reader, self._parent, self._over_write):
                os.close(descriptor)

    def _take(self) -> Entry:
        made, name = _nameless(self._parent)
        try:
            self._fill(made)
            return self._place(made, name)
        except BaseException:
            if name is not None:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self._parent)
            raise
        finally:
            os.close(made)

    def _fill(self, made: int) -> None:
        count = 0
        while data := os.read(self._reader, PIECE_BYTES):
            count += len(data)
            view = memoryview(data)
            while view:
                view = view[os.write(made, view) :]
        if not self._is_whole or (self._terms.size is not None and count != self._terms.size):
            raise Cancelled("the upload was cut short: nothing was changed; try again")

    def _place(self, made: int, name: bytes | None) -> Entry:
        """With the owner and mode of what it replaces, or else its directory's owner."""
        aim = self._names[-1]
        os.fsync(made)
        with Upload._placing:
            replaced = self._check(self._parent, aim)
            above = replaced or os.fstat(self._parent)
            os.fchown(made, above.st_uid, above.st_gid)
            os.fchmod(made, 0o644 if replaced is None else replaced.st_mode & _PERMISSIONS)
            if name is None:
                name = _new_name()
                os.link(f"/proc/self/fd/{made}", name, dst_dir_fd=self._parent, follow_symlinks=True)
            try:
                if replaced is None:
                    rename_new(self._parent, name, self._parent, aim)
                else:
                    os.rename(name, aim, src_dir_fd=self._parent, dst_dir_fd=self._parent)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self._parent)
                raise
            return entries.of(text(aim), os.fstat(made))


def _nameless(parent: int) -> tuple[int, bytes | None]:
    """A new file in the directory, and the name that it has where the file system needs it to have one."""
    try:
        return os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=parent), None
    except OSError as error:
        if error.errno not in _NAMELESS_NOT_HERE:
            raise
    name = _new_name()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o600, dir_fd=parent), name


def _new_name() -> bytes:
    return f".portside-{secrets.token_hex(8)}".encode()


def _obey_quotas() -> None:
    """Of this thread alone: who may exceed the limits of the disk's quotas, as root may, doesn't feel them."""
    with open("/proc/thread-self/status") as status:
        masks = {line.split(":")[0]: int(line.split()[1], 16) for line in status if line.startswith("Cap")}
    with contextlib.suppress(OSError):
        kernel.capset(masks["CapEff"] & ~_CAP_SYS_RESOURCE, masks["CapPrm"], masks["CapInh"])
