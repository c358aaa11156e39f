/* Known ways out of a container, each tried once, told as "name result": ok, or the error's name, or "absent" where
 * this kernel has no such thing. Nothing here harms a host even where it succeeds: files are opened and not written,
 * calls that would end the machine get arguments that no kernel takes (their checks come after those of rights).
 *
 * Arguments: a process of the host, an abstract socket of the host, a System V key of the host, major, minor of a disk.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int victim;

static void tell(const char *name, long result) {
    const char *why = result < 0 ? strerrorname_np(errno) : "ok";
    printf("%s %s\n", name, why ? why : "?");
    fflush(stdout);
}

/* Whether the calls of `body` succeed, in a process of its own: what it changes of itself is gone afterwards. */
#define APART(name, ...) do { \
    fflush(stdout); \
    pid_t child = fork(); \
    if (child == 0) { long result = -1; errno = 0; __VA_ARGS__; tell(name, result); _exit(0); } \
    waitpid(child, 0, 0); \
} while (0)

static void writable(const char *name, const char *path) {
    struct stat found;
    if (stat(path, &found) < 0) { printf("%s absent\n", name); return; }
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    tell(name, fd);
    close(fd);
}

/* Whether there is something to read: a masked file is the null device. */
static void readable(const char *name, const char *path) {
    char some[64];
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) { printf("%s absent\n", name); return; }
    if (fd < 0) { tell(name, fd); return; }
    long got = read(fd, some, sizeof some);
    if (got > 0) printf("%s ok\n", name);
    else if (got == 0) printf("%s empty\n", name);
    else tell(name, got);
    close(fd);
}

static void listed(const char *name, const char *path) {
    DIR *directory = opendir(path);
    if (!directory) { printf("%s %s\n", name, errno == ENOENT ? "absent" : strerrorname_np(errno)); return; }
    int count = -2;
    while (readdir(directory)) count++;
    printf("%s %s\n", name, count ? "ok" : "empty");
    closedir(directory);
}

static void device(const char *name, int kind, int major, int minor, int flags) {
    unlink("/dev/attack");
    long made = mknod("/dev/attack", kind | 0600, makedev(major, minor));
    char called[64];
    snprintf(called, sizeof called, "make-%s", name);
    tell(called, made);
    long fd = made < 0 ? -1 : open("/dev/attack", flags | O_NONBLOCK | O_CLOEXEC);
    snprintf(called, sizeof called, "open-%s", name);
    tell(called, fd);
    if (fd >= 0) close(fd);
    unlink("/dev/attack");
}

static void mounts(void) {
    mkdir("/tmp/m", 0755);
    APART("mount", result = mount("none", "/tmp/m", "tmpfs", 0, 0); if (!result) umount2("/tmp/m", MNT_DETACH));
    APART("mount-over-proc", result = mount("none", "/proc/tty", "tmpfs", 0, 0);
          if (!result) umount2("/proc/tty", MNT_DETACH));
    APART("remount-sysfs", result = mount("none", "/sys", 0, MS_REMOUNT | MS_BIND, 0));
    APART("umount", result = umount2("/dev/mqueue", MNT_DETACH));
    APART("pivot_root", result = syscall(SYS_pivot_root, "/none", "/none");
          if (result < 0 && errno == ENOENT) result = 0);
    APART("fsopen", result = syscall(SYS_fsopen, "tmpfs", 0));
    APART("open_tree", result = syscall(SYS_open_tree, AT_FDCWD, "/", 1));
    APART("move_mount", result = syscall(SYS_move_mount, -1, "", -1, "", 0x44);
          if (result < 0 && errno == EBADF) result = 0);
    APART("mount_setattr", unsigned long nothing[4] = {0};
          result = syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, nothing, sizeof nothing));
    APART("binfmt_misc", result = mount("none", "/tmp/m", "binfmt_misc", 0, 0);
          if (!result) umount2("/tmp/m", MNT_DETACH));
    /* CVE-2022-0492: a hierarchy of version 1 whose release_agent is a program of the host's. */
    APART("cgroup-v1", result = mount("none", "/tmp/m", "cgroup", 0, "memory");
          if (!result) umount2("/tmp/m", MNT_DETACH));
    APART("release_agent", result = mount("none", "/tmp/m", "cgroup", 0, "memory");
          if (!result) { result = open("/tmp/m/release_agent", O_WRONLY); umount2("/tmp/m", MNT_DETACH); });
}

static void namespaces(void) {
    APART("unshare-user", result = unshare(CLONE_NEWUSER));
    APART("unshare-mount", result = unshare(CLONE_NEWNS));
    APART("clone-user", result = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); if (!result) _exit(0));
    APART("clone3-user", unsigned long a[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
          result = syscall(SYS_clone3, a, sizeof a); if (!result) _exit(0));
    APART("setns", result = setns(open("/proc/self/ns/uts", O_RDONLY), 0));
    APART("sethostname", char now[65]; gethostname(now, sizeof now); result = sethostname(now, strlen(now)));
}

static void kernels(int major, int minor) {
    APART("bpf", union { unsigned fields[32]; } map = {{2, 4, 4, 1}}; result = syscall(SYS_bpf, 0, &map, sizeof map));
    APART("perf_event_open", unsigned long event[16] = {0}; ((unsigned *)event)[0] = 1; ((unsigned *)event)[1] = 128;
          result = syscall(SYS_perf_event_open, event, 0, -1, -1, 0));
    APART("io_uring", char setup[120] = {0}; result = syscall(SYS_io_uring_setup, 1, setup));
    APART("userfaultfd", result = syscall(SYS_userfaultfd, O_CLOEXEC));
    APART("keyctl", result = syscall(SYS_keyctl, 0, -4 /* the user's keyring */, 0));
    APART("add_key", result = syscall(SYS_add_key, "user", "portside-attack", "x", 1, -1 /* the thread's */));
    APART("open_by_handle_at", struct { struct file_handle head; char rest[128]; } handle; int id, fd;
          handle.head.handle_bytes = 128; fd = open("/etc/hosts", O_RDONLY);
          result = name_to_handle_at(AT_FDCWD, "/etc/hosts", &handle.head, &id, 0);
          if (!result) result = open_by_handle_at(fd, &handle.head, O_RDONLY));
    APART("init_module", result = syscall(SYS_init_module, "x", 1, ""); if (errno == ENOEXEC) result = 0);
    APART("delete_module", result = syscall(SYS_delete_module, "no_such_module", O_NONBLOCK);
          if (errno == ENOENT) result = 0);
    APART("kexec_load", result = syscall(SYS_kexec_load, 0, 0, 0, 0xffffUL); if (errno == EINVAL) result = 0);
    APART("reboot", result = syscall(SYS_reboot, 1, 2, 3, 0); if (errno == EINVAL) result = 0);
    APART("swapon", result = swapon("/none", 0); if (errno == ENOENT) result = 0);
    APART("acct", result = acct("/none"); if (errno == ENOENT) result = 0);
    APART("set-the-clock", struct timespec now; clock_gettime(CLOCK_REALTIME, &now);
          result = clock_settime(CLOCK_REALTIME, &now));
    APART("dmesg", result = syscall(SYS_syslog, 10, 0, 0));
    APART("vsock", result = socket(40, SOCK_STREAM, 0));
    APART("alg", result = socket(38, SOCK_SEQPACKET, 0));
    APART("raw-socket", result = socket(AF_INET, SOCK_RAW, 1));
    APART("packet-socket", result = socket(AF_PACKET, SOCK_RAW, 0));
    device("disk", S_IFBLK, major, minor, O_RDONLY);
    device("kmsg", S_IFCHR, 1, 11, O_WRONLY);
    device("mem", S_IFCHR, 1, 1, O_RDONLY);
}

static void files(void) {
    writable("sysrq", "/proc/sysrq-trigger");
    writable("core_pattern", "/proc/sys/kernel/core_pattern");
    writable("modprobe", "/proc/sys/kernel/modprobe");
    writable("poweroff_cmd", "/proc/sys/kernel/poweroff_cmd");
    writable("uevent_helper", "/sys/kernel/uevent_helper");
    writable("panic_on_oom", "/proc/sys/vm/panic_on_oom");
    writable("irq", "/proc/irq/default_smp_affinity");
    writable("transparent_hugepage", "/sys/kernel/mm/transparent_hugepage/enabled");
    writable("kmsg", "/dev/kmsg");
    writable("cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs");
    writable("cgroup.procs-v2", "/sys/fs/cgroup/cgroup.procs");
    readable("kcore", "/proc/kcore");
    readable("keys", "/proc/keys");
    readable("timer_list", "/proc/timer_list");
    readable("interrupts", "/proc/interrupts");
    listed("firmware", "/sys/firmware");
    listed("acpi", "/proc/acpi");
}

static void neighbours(const char *abstract, int key) {
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)0x1000, 1};
    APART("signal-a-neighbour", result = kill(victim, 0));
    APART("ptrace-a-neighbour", result = ptrace(PTRACE_SEIZE, victim, 0, 0));
    APART("read-a-neighbour", result = process_vm_readv(victim, &here, 1, &there, 1, 0);
          if (errno == EFAULT) result = 0);
    APART("write-a-neighbour", result = process_vm_writev(victim, &here, 1, &there, 1, 0);
          if (errno == EFAULT) result = 0);
    APART("descriptor-of-a-neighbour", int fd = syscall(SYS_pidfd_open, victim, 0);
          result = fd < 0 ? fd : syscall(SYS_pidfd_getfd, fd, 0, 0));
    APART("kcmp", result = syscall(SYS_kcmp, victim, victim, 0, 0, 0));
    APART("root-of-a-neighbour", char path[64]; snprintf(path, sizeof path, "/proc/%d/root", victim);
          result = open(path, O_PATH | O_DIRECTORY));
    APART("abstract-socket", struct sockaddr_un to = {AF_UNIX}; strcpy(to.sun_path + 1, abstract);
          result = connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&to,
                           sizeof(sa_family_t) + 1 + strlen(abstract)));
    APART("shared-memory", result = shmget(key, 0, 0));
}

/* Everything behind /proc/[pid]/cwd and root lies in the container: `..` never leads to what only the host has. */
static void ways_up(const char *marker) {
    static const char *const doors[] = {"cwd", "root", "fd/0", "fd/1", "fd/2", "fd/3", "fd/4", "fd/5", "fd/6", "fd/7"};
    char path[256];
    struct stat found;
    long result = -1;
    errno = ENOENT;
    for (int pid = 0; pid < 2; pid++)
        for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
            snprintf(path, sizeof path, "/proc/%s/%s/../../../../../../..%s", pid ? "1" : "self", doors[i], marker);
            if (!stat(path, &found)) result = 0;
        }
    tell("way-up", result);
    APART("chroot-twice", int here = open("/", O_RDONLY); mkdir("/tmp/c", 0755); result = chroot("/tmp/c");
          if (!result) { fchdir(here); for (int i = 0; i < 64; i++) chdir(".."); chroot(".");
              result = stat(marker, &found); });
}

/* The terminal that somebody left on descriptor 0: typing into it would be commands of theirs. */
static void terminal(void) {
    char letter = 'x';
    tell("type-into-the-terminal", ioctl(0, TIOCSTI, &letter));
    tell("take-the-terminal", ioctl(0, TIOCSCTTY, 1));
}

int main(int count, char **arguments) {
    if (count == 1) { terminal(); return 0; }
    if (count < 7) return 2;
    victim = atoi(arguments[1]);
    mounts();
    namespaces();
    kernels(atoi(arguments[4]), atoi(arguments[5]));
    files();
    neighbours(arguments[2], atoi(arguments[3]));
    ways_up(arguments[6]);
    return 0;
}
