/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests of maps look at memory with: bytes whose fault may fail, and answers
 * that are put together from what was seen and compared as one text.
 */
#ifndef AUFS2_TEST_MMAP_H
#define AUFS2_TEST_MMAP_H

#include "aufs2.h"
#include <setjmp.h>
#include <sys/wait.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

#define RW (PROT_READ | PROT_WRITE)

/* Of a page, and of the file that is mapped. */
static long page;
static long __attribute__((unused)) size;

static sigjmp_buf jump;

static void on_fault(int sig)
{
	siglongjmp(jump, sig);
}

/* Reads or writes a byte, or says which signal came. */
static int poke(volatile char *p, int value)
{
	int sig;

	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	sig = sigsetjmp(jump, 1);
	if (sig)
		return -sig;
	if (value)
		*p = value;
	return (unsigned char)*p;
}

#define peek(p) poke((char *)(p), 0)

/* Puts together what a test has seen. */
struct answer { char text[4096]; };

static void __attribute__((format(printf, 2, 3))) say(struct answer *a, const char *fmt, ...)
{
	size_t len = strlen(a->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->text + len, sizeof(a->text) - len, fmt, ap);
	va_end(ap);
}

/* A system call's result: 0, a number or the error's name. */
static void result(struct answer *a, const char *what, long ret)
{
	if (ret < 0 && ret > -4096)
		say(a, "%s:%s ", what, errno_name(-ret));
	else
		say(a, "%s:%ld ", what, ret);
}

#define DO(a, call) result(a, #call, E(call))

/* The first byte of each page, '!' for SIGBUS, '#' for SIGSEGV, '0' for zero. */
static void look(struct answer *a, char *p, int pages)
{
	for (int i = 0; i < pages; i++) {
		int c = peek(p + i * page);

		say(a, "%c", c == -SIGBUS ? '!' : c == -SIGSEGV ? '#' : c ?: '0');
	}
	say(a, " ");
}

/* Which pages are in memory. */
static void resident(struct answer *a, char *p, int pages)
{
	unsigned char vec[64] = { 0 };

	DO(a, mincore(p, pages * page, vec));
	for (int i = 0; i < pages; i++)
		say(a, "%d", vec[i] & 1);
	say(a, " ");
}

/* A field of the map's entry in smaps, in kB. */
static long smaps_of(void *p, const char *field)
{
	char line[512], start[32];
	bool in = false;
	long kb = -1;
	FILE *f = fopen("/proc/self/smaps", "r");

	snprintf(start, sizeof(start), "%lx-", (unsigned long)p);
	while (f && fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' '))
			in = !strncmp(line, start, strlen(start));
		else if (in && !strncmp(line, field, strlen(field)) && line[strlen(field)] == ':')
			kb = atol(line + strlen(field) + 1);
	}
	if (f)
		fclose(f);
	return kb;
}

static char *map_at(struct answer *a, const char *path, int flags, int prot, int kind, long len, off_t at)
{
	int fd = open(path, flags | O_CLOEXEC);
	char *p;

	if (fd < 0)
		result(a, "open", -errno);
	p = mmap(NULL, len, prot, kind, fd, at);
	if (p == MAP_FAILED)
		result(a, "mmap", -errno);
	close(fd);
	return p;
}

#define map(a, path, flags, prot, kind) map_at(a, path, flags, prot, kind, size, 0)

/* Makes a file whose page p holds the letter 'a' + p. */
static int __attribute__((unused)) put_letters(const char *path)
{
	char *text = malloc(size + 1);
	int err;

	if (!text)
		return -ENOMEM;
	for (long i = 0; i < size; i++)
		text[i] = 'a' + i / page;
	text[size] = 0;
	err = write_file(path, text);
	free(text);
	return err;
}

typedef void behaviour(struct answer *a, const char *path);

/* Asks of the file on the branch and of the union's, in a child each. */
static void __attribute__((unused)) ask(struct answer *a, behaviour *of, const char *path)
{
	int pipefd[2], status;
	ssize_t n, len = 0;
	pid_t child;

	if (pipe(pipefd))
		return;
	child = fork();
	if (!child) {
		struct answer mine = { "" };

		of(&mine, path);
		if (write(pipefd[1], mine.text, strlen(mine.text)) < 0)
			_exit(1);
		_exit(0);
	}
	close(pipefd[1]);
	while ((n = read(pipefd[0], a->text + len, sizeof(a->text) - 1 - len)) > 0)
		len += n;
	close(pipefd[0]);
	a->text[len] = 0;
	waitpid(child, &status, 0);
	if (status)
		say(a, "status:%#x", status);
}

#endif /* AUFS2_TEST_MMAP_H */
