/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The filesystem of a test build (AUFS2_SAMPLE=1) that passes on to another one, and in which each
 * operation can be held, failed or counted: rust/samples/pass/.
 */
#ifndef AUFS2_TEST_PASS_H
#define AUFS2_TEST_PASS_H

#include "aufs2.h"

/* Why there is none; NULL if there is. */
static const char *no_pass(void)
{
	if (!fs_registered("aufs2_pass"))
		return "the module was not built with AUFS2_SAMPLE=1";
	if (access("/sys/kernel/debug/aufs2", F_OK))
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, "");
	return access("/sys/kernel/debug/aufs2", F_OK) ? "no debugfs" : NULL;
}

/* The file by which those of the mount are told, and asked: by their name of it. */
static char pass_operations[64];

/* More options of it. */
static const char *pass_options = "";

/* Mounts what passes on to DIR of the area at AT, to be told by the name CONTROL: 0 or -errno. */
static long mount_pass(const char *at, const char *dir, const char *control)
{
	snprintf(pass_operations, sizeof(pass_operations), "/sys/kernel/debug/%s/operations", control);
	return E(mount("none", at, "aufs2_pass", 0, path_of("dir=%s/%s,control=%s%s", area, dir, control, pass_options)));
}

static void __attribute__((format(printf, 1, 2))) tell(const char *fmt, ...)
{
	char command[32];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (put(pass_operations, 0, command))
		fail_program("cannot say '%s' to the branches: %m", command);
}

/* The number after WORD in what there is to know of operations; 0 if there is none. */
static int asked(const char *word)
{
	const char *text = read_file(pass_operations), *at = strstr(text, word);

	return at ? atoi(at + strlen(word)) : 0;
}

/* Whether PID ends, or has *DONE, rather than to wait for something. */
static bool ends(pid_t pid, const volatile int *done)
{
	int seen = 0;

	while (!*done) {
		char state = state_of(pid);

		if (state == 'Z' || !state)
			break;
		seen = state == 'D' || state == 'S' ? seen + 1 : 0;
		if (seen == 6)
			return false;
		usleep(500);
	}
	return true;
}

#endif /* AUFS2_TEST_PASS_H */
