/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests written in C look at files with: helpers whose results are
 * printed whole when an EXPECT_ fails.  See aufs2.h.
 */
#ifndef AUFS2_TEST_FILES_H
#define AUFS2_TEST_FILES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <linux/fs.h>

#include "kselftest_harness.h"

/*
 * The harness gives a case 30 s, which is too little for some on the debug kernel.
 * tests/run has a limit for the whole program, by the kernel.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 7200

/* No program uses all of this. */
#pragma GCC diagnostic ignored "-Wunused-function"

/* The result of a system call, or -errno. */
#define E(call) ({ long e_ = (long)(call); e_ == -1 ? -(long)errno : e_; })

#define NOBODY 65534

static inline bool reference(void)
{
	const char *r = getenv("AUFS2_TEST_REFERENCE");

	return r && *r;
}

static inline bool plain(void)
{
	return reference() && !strcmp(getenv("AUFS2_TEST_REFERENCE"), "plain");
}

/* Skips what cannot be said in overlayfs's terms. */
#define AUFS2_ONLY(why) do { \
	if (reference()) \
		SKIP(return, "not on overlayfs: " why); \
} while (0)

static inline const char *test_fs(void)
{
	const char *fs = getenv("AUFS2_TEST_FS");

	return fs && *fs ? fs : "tmpfs";
}

/* More options of every union. */
static inline const char *test_options(void)
{
	return getenv("AUFS2_TEST_OPTIONS") ?: "";
}

static inline bool on_tmpfs(void)
{
	return !strcmp(test_fs(), "tmpfs");
}

/* Which of what is too much to try all of it is tried: as AUFS2_TEST_SEED says, or what a check has of its commit. */
static inline long sample_from(void)
{
	const char *seed = getenv("AUFS2_TEST_SEED"), *sample = getenv("AUFS2_TEST_SAMPLE");

	return seed && atol(seed) ? atol(seed) : sample ? atol(sample) : 0;
}

/* How many times longer than elsewhere a thing may take on this machine, for those that wait for the kernel. */
static inline long slower(void)
{
	const char *factor = getenv("AUFS2_TEST_SLOWER");

	return factor && atol(factor) > 0 ? atol(factor) : 1;
}

/* How long a stress or a fuzzer runs, in ms: AUFS2_TEST_LONG=N makes it N times as long. */
static inline long long_ms(long ms)
{
	const char *factor = getenv("AUFS2_TEST_LONG");

	return ms * (factor && atol(factor) > 0 ? atol(factor) : 1);
}

/*
 * A sample takes every so manyth of what is counted through, EVERY for a check and fewer for one that is longer.
 * KINDS is the product of how many there are of what is counted through fastest: a step that has a factor in common
 * with that would leave some of them out for good.
 */
static inline long sample_step(long every, long kinds)
{
	long step = every / long_ms(1), a, b, rest;

	for (; step > 1; step--) {
		for (a = kinds, b = step; b; a = b, b = rest)
			rest = a % b;
		if (a == 1)
			return step;
	}
	return 1;
}

static void __attribute__((noreturn, format(printf, 1, 2)))
skip_program(const char *fmt, ...)
{
	va_list ap;

	printf("TAP version 13\n1..0 # SKIP ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	_exit(KSFT_SKIP);
}

/* What the program is about cannot be set up: a failure, and no reason to skip it. */
static void __attribute__((noreturn, format(printf, 1, 2)))
fail_program(const char *fmt, ...)
{
	va_list ap;

	printf("TAP version 13\n1..1\nnot ok 1 ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	_exit(KSFT_FAIL);
}

/* What a child has ended with; no errno, and nothing that it can say, if a signal has killed it. */
static inline int exit_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* The result of CALL, 0 or -errno, in a child that PREPARE, which must be 0, has changed. */
#define IN_CHILD(prepare, call) ({ \
	int status_, child_ = fork(); \
	if (!child_) { \
		if (prepare) \
			_exit(255); \
		_exit(-(int)(call)); \
	} \
	waitpid(child_, &status_, 0); \
	-exit_of(status_); \
})

/* Whether PATH can be opened: 0 or -errno. */
static int __attribute__((unused)) can_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Runs a shell command quietly; its exit status. */
static int __attribute__((format(printf, 1, 2)))
shell(const char *fmt, ...)
{
	char cmd[8192];
	va_list ap;
	int status, len = snprintf(cmd, sizeof(cmd), "{ ");

	va_start(ap, fmt);
	len += vsnprintf(cmd + len, sizeof(cmd) - len, fmt, ap);
	va_end(ap);
	snprintf(cmd + len, sizeof(cmd) - len, "\n} >/dev/null 2>&1");
	status = system(cmd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline bool have(const char *command)
{
	return shell("command -v %s", command) == 0;
}

static const char *errno_name(int err)
{
	return strerrorname_np(err) ?: "E?";
}

/* One of a few static buffers, so that a call can hold several results. */
static char *buffer(void)
{
	static char ring[8][8192];
	static int next;

	next = (next + 1) % 8;
	ring[next][0] = 0;
	return ring[next];
}

static char * __attribute__((format(printf, 1, 2))) path_of(const char *fmt, ...)
{
	char *b = buffer();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b, 8192, fmt, ap);
	va_end(ap);
	return b;
}

/* The state of a task as in /proc/PID/stat: 'D' if it waits and cannot be interrupted; 0 if none. */
static char state_of(pid_t pid)
{
	char line[512] = "", *end;
	int fd = open(path_of("/proc/%d/stat", pid), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, line, sizeof(line) - 1) < 0)
		line[0] = 0;
	close(fd);
	end = strrchr(line, ')');
	return end && end[1] ? end[2] : 0;
}

/*
 * Whether a task comes to wait in that state before it ends: one that has not run yet does not
 * wait.  What it waits for in passing, a disk, is over when it is looked at again.
 */
static bool comes_to_wait(pid_t pid, char wanted)
{
	int i, seen = 0;

	for (i = 0; i < 100000 && seen < 10; i++, usleep(2000)) {
		char state = state_of(pid);

		if (!state || state == 'Z' || state == 'X')
			return false;
		seen = state == wanted ? seen + 1 : 0;
	}
	return seen == 10;
}

/* What a short file says, or the name of the error. */
static const char *read_file(const char *path)
{
	char *b = buffer();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, len = 0;

	if (fd < 0)
		return errno_name(errno);
	while ((n = read(fd, b + len, 8191 - len)) > 0)
		len += n;
	if (n < 0)
		strcpy(b, errno_name(errno));
	else
		b[len] = 0;
	close(fd);
	return b;
}

/* The same from a descriptor, from the start of the file. */
static const char *read_fd(int fd)
{
	char *b = buffer();
	ssize_t n = pread(fd, b, 8191, 0);

	if (n < 0)
		return errno_name(errno);
	b[n] = 0;
	return b;
}

static int put(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);
	int err = 0;
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = errno ? -errno : -EIO;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

/* Makes or overwrites a file. */
static int write_file(const char *path, const char *text)
{
	return put(path, O_CREAT | O_TRUNC, text);
}

/* Appends to a file that is there. */
static int append_file(const char *path, const char *text)
{
	return put(path, O_APPEND, text);
}

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "file";
	case S_IFDIR: return "dir";
	case S_IFLNK: return "symlink";
	case S_IFCHR: return "chr";
	case S_IFBLK: return "blk";
	case S_IFIFO: return "fifo";
	case S_IFSOCK: return "sock";
	}
	return "?";
}

/* "file", "dir", ..., or the name of the error. */
static const char *kind(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? errno_name(errno) : kind_of(st.st_mode);
}

static struct stat st_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		memset(&st, 0, sizeof(st));
	return st;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char * const *)a, *(char * const *)b);
}

/* The names of a directory but . and .., sorted, between spaces. */
static const char *list(const char *path)
{
	char *names[512], *b = buffer();
	struct dirent *de;
	int n = 0, dots = 0, i;
	size_t len = 0;
	DIR *d = opendir(path);

	if (!d)
		return errno_name(errno);
	errno = 0;
	while ((de = readdir(d)) && n < 512) {
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			dots++;
		else
			names[n++] = strdup(de->d_name);
	}
	if (errno)
		len += sprintf(b + len, "%s! ", errno_name(errno));
	closedir(d);
	qsort(names, n, sizeof(*names), compare_names);
	if (dots != 2)
		len += sprintf(b, "(%d of . and ..) ", dots);
	for (i = 0; i < n; i++) {
		if (len + strlen(names[i]) < 8190)
			len += sprintf(b + len, "%s%s", i ? " " : "", names[i]);
		free(names[i]);
	}
	return b;
}

static uint64_t mix(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *p = data;

	while (len--)
		sum = (sum ^ *p++) * 0x100000001b3ULL;
	return sum;
}

#define SUM_START 0xcbf29ce484222325ULL

/* A checksum of a file's contents; 0 if it cannot be read. */
static uint64_t checksum(const char *path)
{
	char b[16384];
	uint64_t sum = SUM_START;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME);
	ssize_t n;

	if (fd < 0)
		return 0;
	while ((n = read(fd, b, sizeof(b))) > 0)
		sum = mix(sum, b, n);
	close(fd);
	return n < 0 ? 0 : sum;
}

/* The same from a descriptor, from the start of the file. */
static uint64_t checksum_fd(int fd)
{
	char b[16384];
	uint64_t sum = SUM_START;
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, b, sizeof(b), at)) > 0) {
		sum = mix(sum, b, n);
		at += n;
	}
	return n < 0 ? 0 : sum;
}

/* A checksum of everything in a tree but the times of access. */
static uint64_t tree_checksum(const char *path)
{
	struct dirent *de;
	uint64_t sum = 0;
	DIR *d = opendir(path);

	while (d && (de = readdir(d))) {
		char sub[4096];
		struct stat st;
		uint64_t one = mix(SUM_START, de->d_name, strlen(de->d_name));

		if (!strcmp(de->d_name, ".."))
			continue;
		snprintf(sub, sizeof(sub), "%s/%s", path, de->d_name);
		if (lstat(sub, &st))
			continue;
		one = mix(one, &st.st_mode, sizeof(st.st_mode));
		one = mix(one, &st.st_uid, sizeof(st.st_uid));
		one = mix(one, &st.st_gid, sizeof(st.st_gid));
		one = mix(one, &st.st_nlink, sizeof(st.st_nlink));
		one = mix(one, &st.st_mtim, sizeof(st.st_mtim));
		one = mix(one, &st.st_ctim, sizeof(st.st_ctim));
		if (S_ISREG(st.st_mode))
			one ^= checksum(sub) * 3;
		if (S_ISDIR(st.st_mode) && strcmp(de->d_name, "."))
			one ^= tree_checksum(sub) * 7;
		sum += one;
	}
	if (d)
		closedir(d);
	return sum;
}

/* Sets or takes away the flag that chattr(1) calls i. */
static long set_immutable(const char *path, bool on)
{
	int fd = open(path, O_RDONLY), flags = 0;
	long err;

	err = E(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
	err = err ?: E(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	close(fd);
	return err;
}

/* The effective user; 0 gives root's powers back. */
static int become(uid_t uid)
{
	if (uid)
		return E(setegid(uid)) ?: E(seteuid(uid));
	return E(seteuid(0)) ?: E(setegid(0));
}

#endif /* AUFS2_TEST_FILES_H */
