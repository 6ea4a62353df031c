/* SPDX-License-Identifier: GPL-2.0 */
/* What is said about a file that is mapped, compared with what stat(2) says. */
#ifndef AUFS2_TEST_IDENTITY_H
#define AUFS2_TEST_IDENTITY_H

#include "aufs2.h"

static long page;

/* What is said about a file, against what stat(2) says. */
static const char *
verdict(const char *shown, dev_t dev, unsigned long ino, bool numbers, const char *path)
{
	char *b = buffer(), whole[4096];
	struct stat st;

	snprintf(whole, sizeof(whole), "%s%s", *path == '/' ? "" : path_of("%s/", area), path);
	if (shown && strcmp(shown, whole)) {
		if (strstr(shown, "/ro/") || strstr(shown, "/rw") || !strchr(shown + 1, '/'))
			strcat(b, "path of the branch");
		else
			sprintf(b + strlen(b), "path is %.100s", shown);
	}
	if (numbers && (lstat(path, &st) || st.st_dev != dev))
		strcat(b, *b ? ", another device" : "another device");
	if (numbers && st.st_ino != ino)
		strcat(b, *b ? ", another inode" : "another inode");
	return *b ? b : "as `stat`";
}

static char *map(const char *path, int prot)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = mmap(NULL, page, prot, MAP_PRIVATE, fd, 0);

	close(fd);
	if (p != MAP_FAILED)
		(void)*(volatile char *)p;
	return p;
}

/* The line about the map at p. */
static const char *line_of(const char *file, void *p)
{
	char *b = buffer(), start[32];
	FILE *f = fopen(file, "re");
	bool found = false;

	snprintf(start, sizeof(start), "%lx", (unsigned long)p);
	while (!found && f && fgets(b, 8192, f))
		found = !strncmp(b, start, strlen(start));
	if (f)
		fclose(f);
	b[strcspn(b, "\n")] = 0;
	return found ? b : "";
}

static const char *of_line(const char *line, const char *path)
{
	unsigned int maj, min;
	unsigned long ino;
	char shown[4096] = "";

	if (sscanf(line, "%*x-%*x %*s %*x %x:%x %lu %4095[^\n]", &maj, &min, &ino, shown) < 3)
		return "nothing";
	return verdict(shown, makedev(maj, min), ino, true, path);
}

#endif /* AUFS2_TEST_IDENTITY_H */
