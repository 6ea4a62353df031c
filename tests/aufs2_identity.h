/* SPDX-License-Identifier: GPL-2.0 */
/* What is said about a file that is mapped, compared with what stat(2) says. */
#ifndef AUFS2_TEST_IDENTITY_H
#define AUFS2_TEST_IDENTITY_H

#include "aufs2.h"
#include <elf.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

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

/* The file name of the map at `at` in the NT_FILE note of a dump. */
static const char *in_dump(const char *core, unsigned long at)
{
	static char data[1 << 20];
	int fd = open(core, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr *eh = (void *)data;
	Elf64_Phdr *ph;
	ssize_t n = pread(fd, data, sizeof(data), 0);
	unsigned int i;

	close(fd);
	if (n < (ssize_t)sizeof(*eh))
		return NULL;
	ph = (void *)(data + eh->e_phoff);
	for (i = 0; i < eh->e_phnum; i++, ph++) {
		char *note = data + ph->p_offset, *end = note + ph->p_filesz;

		if (ph->p_type != PT_NOTE || end > data + n)
			continue;
		while (note < end) {
			Elf64_Nhdr *nh = (void *)note;
			char *desc = note + sizeof(*nh) + ((nh->n_namesz + 3) & ~3);
			unsigned long *w = (void *)desc, count, k;

			if (nh->n_type == NT_FILE) {
				char *name = desc + 16 + w[0] * 24;

				for (count = w[0], k = 0; k < count; k++, name += strlen(name) + 1)
					if (w[2 + 3 * k] == at)
						return name;
			}
			note = desc + ((nh->n_descsz + 3) & ~3);
		}
	}
	return NULL;
}

/* What a dump of this task says of the map at p. */
static const char *core_of(char *p, const char *path)
{
	const char *shown;
	char pattern[128];
	pid_t child;
	int status;

	snprintf(pattern, sizeof(pattern), "%.100s", read_file("/proc/sys/kernel/core_pattern"));
	put("/proc/sys/kernel/core_pattern", 0, path_of("%s/core", area));
	child = fork();
	if (!child) {
		struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

		setrlimit(RLIMIT_CORE, &all);
		prctl(PR_SET_DUMPABLE, 1);
		signal(SIGABRT, SIG_DFL);
		raise(SIGABRT);
		_exit(1);
	}
	waitpid(child, &status, 0);
	put("/proc/sys/kernel/core_pattern", 0, pattern);
	shown = in_dump("core", (unsigned long)p);
	shell("rm -f %s/core*", area);
	munmap(p, page);
	return shown ? verdict(shown, 0, 0, false, path) : "nothing";
}

static int perf_open(struct perf_event_attr *attr)
{
	attr->size = sizeof(*attr);
	return syscall(SYS_perf_event_open, attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* What perf is told when fd, which is at path now, is mapped. */
static const char *perf_of(int open_fd, const char *path)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY, .mmap = 1, .mmap2 = 1,
		.watermark = 0, .wakeup_events = 1,
	};
	const char *answer = "nothing";
	struct perf_event_mmap_page *ring;
	int fd = perf_open(&attr);
	uint64_t at = 0;
	char *p;

	if (fd < 0)
		return errno_name(errno);
	ring = mmap(NULL, 9 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED)
		return errno_name(errno);
	p = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, open_fd, 0);
	close(open_fd);
	while (at < ring->data_head) {
		struct perf_event_header *h = (void *)((char *)ring + page + at);
		struct mmap2 {
			struct perf_event_header h;
			uint32_t pid, tid;
			uint64_t addr, len, pgoff;
			uint32_t maj, min;
			uint64_t ino, generation;
			uint32_t prot, flags;
			char name[];
		} *m = (void *)h;

		if (h->type == PERF_RECORD_MMAP2 && m->addr == (unsigned long)p)
			answer = verdict(m->name, makedev(m->maj, m->min), m->ino, true, path);
		at += h->size;
	}
	munmap(p, page);
	munmap(ring, 9 * page);
	close(fd);
	return answer;
}

#endif /* AUFS2_TEST_IDENTITY_H */
