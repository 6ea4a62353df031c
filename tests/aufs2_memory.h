/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sample filesystem with a page cache of its own (rust/samples/memory.rs), of a
 * test build (AUFS2_SAMPLE=1), for the tests of it.
 */
#ifndef AUFS2_TEST_MEMORY_H
#define AUFS2_TEST_MEMORY_H

#include <setjmp.h>
#include <sys/mman.h>

#include "aufs2.h"

#define PAGE 4096

#define MOUNT_WITH(options) do { \
	if (!fs_registered("aufs2_memory")) \
		SKIP(return, "the module was not built with AUFS2_SAMPLE=1"); \
	ASSERT_EQ(0, E(mount("none", "u", "aufs2_memory", 0, options))); \
} while (0)


static char *map(int fd, long size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static sigjmp_buf beyond;

static void hit(int sig)
{
	(void)sig;
	siglongjmp(beyond, 1);
}

/* Whether looking there is SIGBUS. */
static bool is_unmapped(char *at)
{
	struct sigaction act = { .sa_handler = hit }, old;
	volatile bool unmapped = true;

	sigaction(SIGBUS, &act, &old);
	if (!sigsetjmp(beyond, 1)) {
		(void)*(volatile char *)at;
		unmapped = false;
	}
	sigaction(SIGBUS, &old, NULL);
	return unmapped;
}

/* How many bytes of the file from there on are not C. */
static long others(int fd, long from, long len, char c)
{
	char buffer[PAGE];
	long wrong = 0, n, i;

	while (len > 0) {
		n = pread(fd, buffer, len < PAGE ? len : PAGE, from);
		if (n <= 0)
			return wrong + len;
		for (i = 0; i < n; i++)
			wrong += buffer[i] != c;
		from += n;
		len -= n;
	}
	return wrong;
}

static int fill(int fd, long from, long len, char c)
{
	char buffer[PAGE];
	long n;

	memset(buffer, c, sizeof(buffer));
	for (; len > 0; from += n, len -= n) {
		n = E(pwrite(fd, buffer, len < PAGE ? len : PAGE, from));
		if (n <= 0)
			return n ?: -EIO;
	}
	return 0;
}

/* Has the pages kept elsewhere, and drops them. What is mapped stays. */
static int drop(int fd)
{
	return E(fsync(fd)) ?: -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

#endif /* AUFS2_TEST_MEMORY_H */
