/* A container's process 1 where --init was asked for: starts the program, hands signals on to it, buries what loses
 * its parent, and ends as the program ends. No C library, like monitor.c: one page of code.
 *
 * Arguments: init -- program arguments…; 127 and 126 are the shell's for a program that can't be started.
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
#error "no system call convention for this machine"
#endif

enum { ENOENT = 2, EACCES = 13, ENOTDIR = 20, SIGCHLD = 17, SIGTTIN = 21, SIGTTOU = 22, WNOHANG = 1 };

static word length(const char *text) {
    word count = 0;
    while (text[count]) count++;
    return count;
}

static void say(const char *text) { call(__NR_write, 2, (word)text, length(text), 0, 0); }

__attribute__((noreturn)) static void leave(int code) {
    call(__NR_exit_group, (word)code, 0, 0, 0, 0);
    for (;;) { }
}

static long execute(const char *path, char **arguments, char **environment) {
    return (long)call(__NR_execve, (word)path, (word)arguments, (word)environment, 0, 0);
}

/* execvp(3): with a slash the path itself, else each directory of PATH. */
__attribute__((noreturn)) static void become(char **arguments, char **environment) {
    static char path[4096];
    const char *name = arguments[0], *directories = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    long error = -ENOENT, last;
    int has_slash = 0;
    for (const char *at = name; *at; at++) has_slash |= *at == '/';
    if (has_slash) error = execute(name, arguments, environment);
    for (char **entry = environment; *entry; entry++)
        if ((*entry)[0] == 'P' && (*entry)[1] == 'A' && (*entry)[2] == 'T' && (*entry)[3] == 'H' && (*entry)[4] == '=')
            directories = *entry + 5;
    while (!has_slash && *name) {
        word size = 0, rest = length(name) + 2;
        while (*directories && *directories != ':' && size + rest < sizeof path) path[size++] = *directories++;
        while (*directories && *directories != ':') directories++;
        if (!size) path[size++] = '.';
        path[size++] = '/';
        if (size + rest < sizeof path) {
            for (word i = 0; i <= length(name); i++) path[size + i] = name[i];
            last = execute(path, arguments, environment);
            if (last != -ENOENT && last != -ENOTDIR) error = last;
        }
        if (!*directories++) break;
    }
    say("init: ");
    say(name);
    say(error == -ENOENT || error == -ENOTDIR ? ": no such program\n" : ": can't be executed\n");
    leave(error == -ENOENT || error == -ENOTDIR ? 127 : 126);
}

__attribute__((used, noreturn)) void begin(word *stack) {
    word count = stack[0];
    char **arguments = (char **)(stack + 1), **environment = arguments + count + 1;
    word all = ~0UL, before = 0;
    struct { void *handler; word flags; void *restorer; word mask; } ignore = {(void *)1, 0, 0, 0};
    if (count < 3) leave(127);
    call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (word)&all, (word)&before, 8, 0);
    long child = (long)call(__NR_clone, SIGCHLD, 0, 0, 0, 0);
    if (child < 0) leave(126);
    if (!child) {
        int group;
        call(__NR_setpgid, 0, 0, 0, 0, 0); /* a terminal's signals are for the program, not twice through us */
        group = (int)call(__NR_getpid, 0, 0, 0, 0, 0);
        call(__NR_ioctl, 0, 0x5410 /* TIOCSPGRP */, (word)&group, 0, 0);
        call(__NR_rt_sigprocmask, 2, (word)&before, 0, 8, 0);
        become(arguments + 2, environment);
    }
    call(__NR_rt_sigaction, SIGTTIN, (word)&ignore, 0, 8, 0);
    call(__NR_rt_sigaction, SIGTTOU, (word)&ignore, 0, 8, 0);
    for (;;) {
        long signal = (long)call(__NR_rt_sigtimedwait, (word)&all, 0, 0, 8, 0);
        if (signal == SIGCHLD) {
            for (;;) {
                int status = 0;
                long ended = (long)call(__NR_wait4, (word)-1L, (word)&status, WNOHANG, 0, 0);
                if (ended <= 0) break;
                if (ended == child) leave(status & 127 ? 128 + (status & 127) : status >> 8 & 255);
            }
        } else if (signal > 0) {
            call(__NR_kill, (word)child, (word)signal, 0, 0, 0);
        }
    }
}
