/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Has the Nth allocation of this task fail, on a kernel with fault injection, such as the debug
 * kernel; on another one the program is skipped.
 */
#ifndef AUFS2_TEST_FAIL_H
#define AUFS2_TEST_FAIL_H

#include "aufs2.h"

static int fail_nth = -1;

static void set(const char *attribute, const char *value)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		put(path_of("/sys/kernel/debug/%s/%s", kinds[i], attribute), 0, value);
}

static void __attribute__((constructor(1001))) set_up(void)
{
	if (access("/proc/self/fail-nth", F_OK))
		skip_program("no fault injection in this kernel");
	if (access("/sys/kernel/debug/failslab", F_OK))
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, "");
	if (access("/sys/kernel/debug/failslab", F_OK))
		skip_program("allocations cannot be made to fail in this kernel");
	set("ignore-gfp-wait", "0");
	set("ignore-gfp-highmem", "0");
	set("min-order", "0");
	/* the stack of each failure would fill the log */
	set("verbose", "0");
}

static void inject(int n)
{
	char text[16];
	int len = sprintf(text, "%d", n);

	if (pwrite(fail_nth, text, len, 0) != len)
		_exit(KSFT_FAIL);
}

/* Whether it happened; none happens from now on. */
static bool injected(void)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		_exit(KSFT_FAIL);
	if (atoi(text))
		inject(0);
	return !atoi(text);
}

/* What does not fail anything shows nothing: whether this does. */
static bool can_inject(void)
{
	int err;

	fail_nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		return false;
	inject(1);
	err = mkdir("nothing", 0755);
	return injected() && err;
}

#endif /* AUFS2_TEST_FAIL_H */
