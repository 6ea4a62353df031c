/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzers of hostile input share: numbers from a seed, bytes in print, and which errors are
 * an answer.
 */
#ifndef AUFS2_HOSTILE_H
#define AUFS2_HOSTILE_H

#include "aufs2.h"

static uint64_t hostile_state;

/* They take minutes: `make check` leaves them out, and who asks for them names a seed, or a longer run. */
static void __attribute__((constructor(900))) asked_for_only(void)
{
	const char *seed = getenv("AUFS2_TEST_SEED");

	if (long_ms(1) == 1 && (!seed || !atol(seed)))
		skip_program("only with AUFS2_TEST_SEED or AUFS2_TEST_LONG");
}

/* What follows is said by AUFS2_TEST_SEED and the number of the run. */
static void hostile_seed(uint64_t run)
{
	const char *seed = getenv("AUFS2_TEST_SEED");
	uint64_t from = seed ? strtoull(seed, NULL, 10) : 0;

	hostile_state = (from * 0x9e3779b97f4a7c15ULL + 1) ^ (run * 0xbf58476d1ce4e5b9ULL);
	hostile_state ^= hostile_state >> 31;
}

static uint32_t rnd(uint32_t below)
{
	hostile_state = hostile_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return below ? (hostile_state >> 33) % below : 0;
}

/* One of N times. */
static bool once_in(uint32_t n)
{
	return !rnd(n);
}

#define ONE_OF(array) ((array)[rnd(ARRAY_SIZE(array))])

static uint64_t rnd64(void)
{
	return (uint64_t)rnd(UINT32_MAX) << 32 ^ rnd(UINT32_MAX);
}

/* What is wrong, in words: it lasts longer than what path_of() makes. */
static const char * __attribute__((format(printf, 1, 2))) said(const char *fmt, ...)
{
	static char ring[4][8192];
	static int next;
	va_list ap;

	next = (next + 1) % 4;
	va_start(ap, fmt);
	vsnprintf(ring[next], sizeof(ring[next]), fmt, ap);
	va_end(ap);
	return ring[next];
}

/* Bytes as a line of the log can have them. */
static const char *printed(const void *data, size_t len)
{
	const unsigned char *p = data;
	char *b = buffer();
	size_t at = 0;

	for (; len-- && at < 8180; p++)
		at += sprintf(b + at, *p > ' ' && *p < 0x7f && *p != '\\' ? "%c" : "\\x%02x", *p);
	b[at] = 0;
	return b;
}

static const char *printed_text(const char *text)
{
	return printed(text, strlen(text));
}

/* Whether the kernel refuses so what is asked for by who has all rights, and memory enough. */
static bool is_answer(int err)
{
	switch (-err) {
	case ENOMEM: case EFAULT: case EIO: case EINTR: case EAGAIN: case ENXIO: case ENOSYS:
	case EUCLEAN: case ESTALE: case ENFILE: case EMFILE: case ECHILD: case EBADF:
		return false;
	}
	/* those that are the kernel's own are for nobody else */
	return err > -512;
}

#endif /* AUFS2_HOSTILE_H */
