/* The parent of a container's first process; monitor.py says what for and why.
 *
 * No C library: the program is one page of code, and one page of stack is what a running container costs.
 * Arguments: pid run directory-fd stdout-fd stderr-fd tree-fd stdin-fd terminal-fd (decimal); 0 for none of the last
 * five: it is closed below, and what is closed counts as drained.
 */
#include <asm/unistd.h>

typedef unsigned long word;

#if defined(__x86_64__)
static word call(word number, word a, word b, word c, word d, word e) {
    word result;
    register word r10 __asm__("r10") = d;
    register word r8 __asm__("r8") = e;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#elif defined(__aarch64__)
static word call(word number, word a, word b, word c, word d, word e) {
    register word x8 __asm__("x8") = number;
    register word x0 __asm__("x0") = a;
    register word x1 __asm__("x1") = b;
    register word x2 __asm__("x2") = c;
    register word x3 __asm__("x3") = d;
    register word x4 __asm__("x4") = e;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
__asm__(".globl _start\n_start:\n mov x0, sp\n bl begin\n");
#else
#error "no system call convention for this machine; the Python monitor is used instead"
#endif

struct timespec64 { long seconds, nanoseconds; };

static word number(const char *text) {
    word value = 0;
    while (*text) value = value * 10 + (word)(*text++ - '0');
    return value;
}

static char *put(char *at, word value, int width) { /* decimal, at least `width` digits */
    char digits[24];
    int count = 0;
    do digits[count++] = (char)('0' + value % 10); while ((value /= 10) || count < width);
    while (count) *at++ = digits[--count];
    return at;
}

static char *name(char *at, word run) {
    const char *prefix = "exit.";
    while (*prefix) *at++ = *prefix++;
    return put(at, run, 1);
}

/* Over the file that was made for it when the container was (record.reserve_exit): a full disk has room for it. */
static int write_exit(word directory, word run, int status) {
    struct timespec64 now = {0, 0};
    char final_name[40], temporary[48], text[64], *end;
    *name(final_name, run) = 0;
    end = name(temporary, run);
    end[0] = '.'; end[1] = 'n'; end[2] = 'e'; end[3] = 'w'; end[4] = 0;
    call(__NR_clock_gettime, 0, (word)&now, 0, 0, 0);
    end = put(text, (word)(unsigned)status, 1);
    *end++ = ' ';
    end = put(end, (word)now.seconds, 1);
    *end++ = '.';
    end = put(end, (word)now.nanoseconds / 1000, 6);
    *end++ = '\n';
    /* O_WRONLY | O_CREAT */
    word fd = call(__NR_openat, directory, (word)temporary, 01 | 0100, 0600, 0);
    word written = call(__NR_write, fd, (word)text, (word)(end - text), 0, 0);
    call(__NR_close, fd, 0, 0, 0, 0);
    if (written != (word)(end - text)) return 0;
    call(__NR_renameat2, directory, (word)temporary, directory, (word)final_name, 0);
    return 1;
}

static int is_drained(word reader) {
    int waiting = 0;
    struct { unsigned mask, blksize; unsigned long attributes; unsigned nlink; char rest[236]; } state;
    static const char nothing[1];
    call(__NR_ioctl, reader, 0x541B /* FIONREAD */, (word)&waiting, 0, 0);
    if (!waiting) return 1;
    state.nlink = 1;
    call(__NR_statx, reader, (word)nothing, 0x1000 /* AT_EMPTY_PATH */, 4 /* STATX_NLINK */, (word)&state);
    return !state.nlink;
}

static int is_read(word terminal, word out) {
    struct { int fd; short events, revents; } wanted = {(int)terminal, 1 /* POLLIN */, 0};
    struct timespec64 now = {0, 0};
    struct { unsigned mask, blksize; unsigned long attributes; unsigned nlink; char rest[236]; } state;
    static const char nothing[1];
    call(__NR_ppoll, (word)&wanted, 1, (word)&now, 0, 8);
    if (!(wanted.revents & 1)) return 1;
    state.nlink = 1;
    call(__NR_statx, out, (word)nothing, 0x1000 /* AT_EMPTY_PATH */, 4 /* STATX_NLINK */, (word)&state);
    return !state.nlink;
}

/* Until the process has ended, or SIGUSR1 tells to let go. Both signals are blocked, so none gets lost. */
static void hold_input(word stdin, word pid) {
    struct { int signo, error, code, pad, pid, uid, status; char rest[128]; } end;
    word wanted = 1UL << (17 - 1) | 1UL << (10 - 1); /* SIGCHLD, SIGUSR1 */
    for (;;) {
        end.pid = 0;
        /* P_ALL, WEXITED | WNOWAIT | WNOHANG */
        if (call(__NR_waitid, 0, 0, (word)&end, 4 | 0x01000000 | 1, 0) != 0 || (word)end.pid == pid) return;
        if (end.pid) {
            call(__NR_wait4, (word)end.pid, 0, 0, 0, 0); /* as below */
            continue;
        }
        if (call(__NR_rt_sigtimedwait, (word)&wanted, 0, 0, 8, 0) == 10) {
            call(__NR_close, stdin, 0, 0, 0, 0);
            return;
        }
    }
}

/* Waits for the end and leaves the zombie: if this process is killed before the exit file is there, the launcher
   inherits the zombie and can still tell. To reap first would lose the code. The wait status of wait(2). */
static int await_end(word pid) {
    struct { int signo, error, code, pad, pid, uid, status; char rest[128]; } end;
    for (;;) {
        end.code = 0;
        /* P_ALL, WEXITED | WNOWAIT */
        if (call(__NR_waitid, 0, 0, (word)&end, 4 | 0x01000000, 0) != 0) return 255 << 8;
        if ((word)end.pid == pid) break;
        call(__NR_wait4, (word)end.pid, 0, 0, 0, 0); /* another runtime leaves processes of its own to us */
    }
    if (end.code == 1 /* CLD_EXITED */) return (end.status & 255) << 8;
    return end.status | (end.code == 3 /* CLD_DUMPED */ ? 128 : 0);
}

__attribute__((used, noreturn)) void begin(word *stack) {
    char **arguments = (char **)(stack + 1);
    word run = number(arguments[2]), directory = number(arguments[3]);
    word out = number(arguments[4]), err = number(arguments[5]);
    struct timespec64 pause = {0, 10 * 1000 * 1000};
    for (word fd = 0; fd < 3; fd++) call(__NR_close, fd, 0, 0, 0, 0);
    if (number(arguments[7])) hold_input(number(arguments[7]), number(arguments[1]));
    int status = await_end(number(arguments[1]));
    for (int tries = 0; tries < 100 && !write_exit(directory, run, status); tries++) /* an exec's disk is full */
        call(__NR_nanosleep, (word)&pause, 0, 0, 0, 0);
    call(__NR_wait4, number(arguments[1]), 0, 0, 0, 0);
    call(__NR_close, number(arguments[6]), 0, 0, 0, 0);
    while (!is_drained(out) || !is_drained(err) || !is_read(number(arguments[8]), out)) {
        call(__NR_nanosleep, (word)&pause, 0, 0, 0, 0);
        if (pause.nanoseconds < 900 * 1000 * 1000) pause.nanoseconds += pause.nanoseconds / 2;
    }
    call(__NR_exit_group, 0, 0, 0, 0, 0);
    for (;;) { }
}
