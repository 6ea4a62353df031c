// SPDX-License-Identifier: GPL-2.0
/*
 * Where the kernel says which file is mapped, and what it says: on a plain file
 * system, on overlayfs, and on a union by each engine.
 *
 * The table in Documentation/mmap.md is what this prints:
 *
 *	scripts/tests mmap_identity | sed -n 's/^ *# |/|/p'
 */
#include "aufs2_identity.h"
#include <linux/fs.h>
#include <sys/file.h>

enum column { NATIVE, OVERLAY, DIRECT, FAULT, DIRECT_PATH, FAULT_PATH, COLUMNS };
static const char * const dirs[COLUMNS] = { "nat", "o", "ud", "uf", "up", "ufp" };
static const char * const heads[COLUMNS] = {
	"a file without a union", "overlayfs", "`mmap=direct`", "`mmap=fault`",
	"`direct`, `mmap_path=union`", "`fault`, `mmap_path=union`"
};

static bool have_overlay;

FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
	static const char * const options[COLUMNS] = {
		[DIRECT] = "mmap=direct", [FAULT] = "mmap=fault",
		[DIRECT_PATH] = "mmap=direct,mmap_path=union",
		[FAULT_PATH] = "mmap=fault,mmap_path=union",
	};
	char opts[2048];
	int i;

	if (reference())
		SKIP(return, "makes overlayfs by itself");
	page = sysconf(_SC_PAGESIZE);
	ASSERT_EQ(0, area_enter());
	ASSERT_EQ(0, make_branch("nat"));
	ASSERT_EQ(0, shell("for f in f moved moved2 moved3 gone copied lock bound code; do "
			   "head -c %ld /dev/zero > ro/$f; done; cp /bin/sleep ro/prog; cp /bin/sleep ro/runs; "
			   "cp /proc/%d/exe ro/self", 2 * page, getpid()));
	/* ret, for what is run and probed */
	ASSERT_EQ(0, shell("printf '\\303\\303' | dd of=ro/code conv=notrunc bs=1"));
	ASSERT_EQ(0, shell("cp -a ro/. nat/"));
	for (i = DIRECT; i < COLUMNS; i++) {
		ASSERT_EQ(0, E(mkdir(dirs[i], 0755)));
		ASSERT_EQ(0, E(mkdir(path_of("rw%d", i), 0755)));
		snprintf(opts, sizeof(opts), "br:%s/rw%d=rw:%s/ro=ro,%s", area, i, area, options[i]);
		ASSERT_EQ(0, E(mount("none", dirs[i], "aufs2", 0, opts)));
	}
	shell("modprobe -q overlay; mkdir o rwo wo");
	snprintf(opts, sizeof(opts), "lowerdir=%s/ro,upperdir=%s/rwo,workdir=%s/wo", area, area, area);
	have_overlay = !mount("none", "o", "overlay", 0, opts);
	area_seal();
}
FIXTURE_TEARDOWN(u)
{
	const char *wrong;
	int i;

	for (i = DIRECT; i < COLUMNS; i++)
		EXPECT_EQ(0, E(umount2(path_of("%s/%s", area, dirs[i]), 0)));
	if (have_overlay)
		umount2(path_of("%s/o", area), MNT_DETACH);
	wrong = area_leave();
	EXPECT_STREQ("", wrong ?: "");
}

/* --- one function for each place ----------------------------------------- */

static const char *in_maps(const char *dir)
{
	const char *path = path_of("%s/f", dir);

	return of_line(line_of("/proc/self/maps", map(path, PROT_READ)), path);
}

static const char *in_smaps(const char *dir)
{
	const char *path = path_of("%s/f", dir);

	return of_line(line_of("/proc/self/smaps", map(path, PROT_READ)), path);
}

static const char *numa_of(char *p, const char *path)
{
	const char *line = line_of("/proc/self/numa_maps", p);
	char *shown = strstr(line, "file=");

	if (!shown)
		return "nothing";
	shown += 5;
	shown[strcspn(shown, " ")] = 0;
	return verdict(shown, 0, 0, false, path);
}

static const char *in_numa_maps(const char *dir)
{
	const char *path = path_of("%s/f", dir);

	return numa_of(map(path, PROT_READ), path);
}

/* Sums over all maps: no file is named, and so none can be wrong. */
static const char *in_rollup(const char *dir)
{
	const char *path = path_of("%s/f", dir), *text;

	map(path, PROT_READ);
	text = read_file("/proc/self/smaps_rollup");
	return strstr(text, "[rollup]") && strstr(text, "Pss:") && !strchr(text, '/') ? "names no file" : text;
}

static const char *map_file(void *p)
{
	return path_of("/proc/self/map_files/%lx-%lx", (unsigned long)p, (unsigned long)p + page);
}

static const char *link_of(char *p, const char *path)
{
	char to[4096] = "";

	if (readlink(map_file(p), to, sizeof(to) - 1) < 0)
		return errno_name(errno);
	return verdict(to, 0, 0, false, path);
}

static const char *in_map_files(const char *dir)
{
	const char *path = path_of("%s/f", dir);

	return link_of(map(path, PROT_READ), path);
}

static const char *by_map_files(const char *dir)
{
	const char *path = path_of("%s/f", dir);
	int fd = open(map_file(map(path, PROT_READ)), O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno_name(errno);
	fstat(fd, &st);
	close(fd);
	return verdict(NULL, st.st_dev, st.st_ino, true, path);
}

static const char *query_of(char *p, const char *path)
{
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC), err;
	char *name = buffer();
	struct procmap_query q = {
		.size = sizeof(q), .query_addr = (unsigned long)p,
		.vma_name_addr = (unsigned long)name, .vma_name_size = 4096,
	};

	err = E(ioctl(fd, PROCMAP_QUERY, &q));
	close(fd);
	if (err)
		return errno_name(-err);
	return verdict(name, makedev(q.dev_major, q.dev_minor), q.inode, true, path);
}

static const char *by_query(const char *dir)
{
	const char *path = path_of("%s/f", dir);

	return query_of(map(path, PROT_READ), path);
}

static const char *in_exe(const char *dir)
{
	/* Of its own, for it is to outlive what the loop asks path_of() for. */
	char path[PATH_MAX], to[4096] = "";
	const char *answer = "never run";
	int i, status;
	pid_t child;

	snprintf(path, sizeof(path), "%s/prog", dir);
	child = fork();
	if (!child) {
		execl(path, "prog", "100", NULL);
		_exit(1);
	}
	for (i = 0; i < 500; i++, usleep(10000)) {
		memset(to, 0, sizeof(to));
		if (readlink(path_of("/proc/%d/exe", child), to, sizeof(to) - 1) > 0 && strstr(to, "prog")) {
			struct stat st;

			stat(path_of("/proc/%d/exe", child), &st);
			answer = verdict(to, st.st_dev, st.st_ino, true, path);
			break;
		}
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return answer;
}

/* Puts memory of the same content in the place of what is mapped of the program itself. */
/* The same of a program that was moved while it runs. */
static const char *exe_when_moved(const char *dir)
{
	char from[PATH_MAX], to[PATH_MAX];
	char shown[4096] = "";
	const char *answer = "cannot be moved";
	struct stat st;
	pid_t child;
	int status;

	snprintf(from, sizeof(from), "%s/runs", dir);
	snprintf(to, sizeof(to), "%s/runs2", dir);
	child = fork();
	if (!child) {
		execl(from, "runs", "100", NULL);
		_exit(1);
	}
	for (int i = 0; i < 500; i++, usleep(10000)) {
		memset(shown, 0, sizeof(shown));
		if (readlink(path_of("/proc/%d/exe", child), shown, sizeof(shown) - 1) > 0 && strstr(shown, "runs"))
			break;
	}
	if (!rename(from, to)) {
		memset(shown, 0, sizeof(shown));
		if (readlink(path_of("/proc/%d/exe", child), shown, sizeof(shown) - 1) < 0 ||
		    stat(path_of("/proc/%d/exe", child), &st))
			answer = errno_name(errno);
		else
			answer = verdict(shown, st.st_dev, st.st_ino, true, to);
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return answer;
}

static void leave_program(void)
{
	char line[4352], to[4096] = "";
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, end;
	char prot[5];

	if (readlink("/proc/self/exe", to, sizeof(to) - 1) < 0)
		return;
	while (f && fgets(line, sizeof(line), f)) {
		char shown[4096] = "";
		long len;
		char *copy;

		if (sscanf(line, "%lx-%lx %4s %*x %*s %*u %4095[^\n]", &from, &end, prot, shown) < 4 ||
		    strcmp(shown, to))
			continue;
		len = end - from;
		copy = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		memcpy(copy, (void *)from, len);
		mprotect(copy, len, (prot[0] == 'r' ? PROT_READ : 0) | (prot[1] == 'w' ? PROT_WRITE : 0) |
			 (prot[2] == 'x' ? PROT_EXEC : 0));
		mremap(copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, from);
	}
	if (f)
		fclose(f);
}

/* Where a copy of this program is started by change_exe(): `self FIRST FILE`. */
static void __attribute__((constructor(500))) as_another_program(int argc, char **argv)
{
	int fd;

	if (argc != 3 || strcmp(argv[0], "self"))
		return;
	if (!strcmp(argv[1], "leave"))
		leave_program();
	fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, fd, 0, 0))
		_exit(errno);
	/* to be looked at */
	raise(SIGSTOP);
	_exit(0);
}

/* A program of the union says that it is another one. */
static const char *change_exe(const char *dir, const char *first)
{
	const char *path = path_of("%s/prog", dir), *answer;
	char to[4096] = "";
	struct stat st;
	int status;
	pid_t child = fork();

	if (!child) {
		execl(path_of("%s/self", dir), "self", first, path, NULL);
		_exit(ENOEXEC);
	}
	if (waitpid(child, &status, WUNTRACED) != child)
		return "nothing";
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == EBUSY ? "refused" : errno_name(WEXITSTATUS(status));
	if (readlink(path_of("/proc/%d/exe", child), to, sizeof(to) - 1) < 0 ||
	    stat(path_of("/proc/%d/exe", child), &st))
		answer = "nothing";
	else if (strcmp(first, "leave"))
		answer = "not refused";
	else
		answer = verdict(to, st.st_dev, st.st_ino, true, path);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return answer;
}

static const char *exe_while_mapped(const char *dir)
{
	return change_exe(dir, "stay");
}

static const char *exe_of_another(const char *dir)
{
	return change_exe(dir, "leave");
}

static const char *in_core(const char *dir)
{
	const char *path = path_of("%s/f", dir);

	return core_of(map(path, PROT_READ), path);
}

static const char *in_core_when_moved(const char *dir)
{
	char from[PATH_MAX], to[PATH_MAX], *p;

	snprintf(from, sizeof(from), "%s/moved2", dir);
	snprintf(to, sizeof(to), "%s/there2", dir);
	p = map(from, PROT_READ);
	return rename(from, to) ? errno_name(errno) : core_of(p, to);
}

static const char *in_core_when_bound(const char *dir)
{
	const char *answer;

	shell("mkdir -p bound");
	if (mount(dir, "bound", NULL, MS_BIND, NULL))
		return errno_name(errno);
	answer = core_of(map("bound/bound", PROT_READ), "bound/bound");
	umount("bound");
	return answer;
}

static const char *in_locks(const char *dir)
{
	const char *path = path_of("%s/lock", dir), *answer = "nothing";
	int fd = open(path, O_RDWR | O_CLOEXEC), pid;
	unsigned int maj, min;
	unsigned long ino;
	char line[256];
	FILE *f;

	flock(fd, LOCK_EX);
	f = fopen("/proc/locks", "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s FLOCK %*s %*s %d %x:%x:%lu", &pid, &maj, &min, &ino) == 4 &&
		    pid == getpid())
			answer = verdict(NULL, makedev(maj, min), ino, true, path);
	if (f)
		fclose(f);
	close(fd);
	return answer;
}

static const char *in_fdinfo(const char *dir)
{
	const char *path = path_of("%s/f", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *text = read_file(path_of("/proc/self/fdinfo/%d", fd)), *ino = strstr(text, "ino:");
	struct stat st;

	fstat(fd, &st);
	close(fd);
	return ino ? verdict(NULL, st.st_dev, strtoul(ino + 4, NULL, 10), true, path) : "nothing";
}

/* What is mapped at p, by all that name it now: the same of all, or who says what. */
static const char *everywhere(char *p, const char *at)
{
	static const char * const names[] = { "maps", "smaps", "numa_maps", "map_files", "PROCMAP_QUERY" };
	/* Of its own, for each answer takes a few of what path_of() has. */
	const char *path = strdup(at), *first = NULL;
	static char text[512];

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
		const char *answer;

		switch (i) {
		case 2: answer = numa_of(p, path); break;
		case 3: answer = link_of(p, path); break;
		case 4: answer = query_of(p, path); break;
		default: answer = of_line(line_of(path_of("/proc/self/%s", names[i]), p), path);
		}
		/* who says the same as the one before is not named */
		if (!strcmp(answer, "as `stat`") || (first && !strcmp(first, answer)))
			continue;
		if (!first)
			first = strdup(answer);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s`%s`: %s",
			 *text ? "; " : "", names[i], answer);
	}
	return first ? text : "as `stat`";
}

static const char *when_bound(const char *dir)
{
	const char *answer;
	char *p;

	shell("mkdir -p bound");
	if (mount(dir, "bound", NULL, MS_BIND, NULL))
		return errno_name(errno);
	p = map("bound/bound", PROT_READ);
	answer = everywhere(p, "bound/bound");
	munmap(p, page);
	umount("bound");
	return answer;
}

static const char *when_moved(const char *dir)
{
	const char *from = path_of("%s/moved", dir), *to = path_of("%s/there", dir);
	char *p = map(from, PROT_READ);

	if (rename(from, to))
		return errno_name(errno);
	return everywhere(p, to);
}

static const char *when_gone(const char *dir)
{
	const char *path = path_of("%s/gone", dir), *line;
	char *p = map(path, PROT_READ), *end;
	struct stat st = st_of(path);
	unsigned int maj, min;
	unsigned long ino;
	char shown[4096] = "";

	if (unlink(path))
		return errno_name(errno);
	line = line_of("/proc/self/maps", p);
	if (sscanf(line, "%*x-%*x %*s %*x %x:%x %lu %4095[^\n]", &maj, &min, &ino, shown) < 4)
		return "nothing";
	end = strstr(shown, " (deleted)");
	if (!end)
		return "no \"(deleted)\"";
	*end = 0;
	if (strcmp(shown, path_of("%s/%s", area, path)))
		return "path of the branch";
	return makedev(maj, min) == st.st_dev && ino == st.st_ino ? "as `stat`" : "another device or inode";
}

static const char *when_copied_up(const char *dir)
{
	const char *path = path_of("%s/copied", dir);
	char *p = map(path, PROT_READ);

	if (append_file(path, "+"))
		return "cannot be written";
	return everywhere(p, path);
}

static const char *in_perf(const char *dir)
{
	const char *path = path_of("%s/code", dir);

	return perf_of(open(path, O_RDONLY | O_CLOEXEC), path);
}

/* Opened before the rename, and mapped after it. */
static const char *in_perf_when_moved(const char *dir)
{
	char from[PATH_MAX], to[PATH_MAX];
	int fd;

	snprintf(from, sizeof(from), "%s/moved3", dir);
	snprintf(to, sizeof(to), "%s/there3", dir);
	fd = open(from, O_RDONLY | O_CLOEXEC);
	return rename(from, to) ? errno_name(errno) : perf_of(fd, to);
}

static const char *in_perf_when_bound(const char *dir)
{
	const char *answer;

	shell("mkdir -p bound");
	if (mount(dir, "bound", NULL, MS_BIND, NULL))
		return errno_name(errno);
	answer = perf_of(open("bound/bound", O_RDONLY | O_CLOEXEC), "bound/bound");
	umount("bound");
	return answer;
}

static const char *by_uprobe(const char *dir)
{
	const char *path = path_of("%s/%s/code", area, dir);
	struct perf_event_attr attr = { .disabled = 0 };
	uint64_t hits = 0;
	int fd;
	void (*code)(void);

	attr.type = atoi(read_file("/sys/bus/event_source/devices/uprobe/type"));
	attr.config1 = (unsigned long)path;
	if (!attr.type)
		return "no uprobes";
	code = (void *)map(path, PROT_READ | PROT_EXEC);
	code();
	fd = perf_open(&attr);
	if (fd < 0)
		return errno_name(errno);
	code();
	code();
	if (read(fd, &hits, sizeof(hits)) < 0)
		hits = errno;
	close(fd);
	code();
	munmap(code, page);
	return hits == 2 ? "hits" : path_of("%lu hits", (unsigned long)hits);
}

/* Whether a tool finds who maps the file, which is not open. */
static const char *found_by(const char *dir, const char *command)
{
	const char *path = path_of("%s/f", dir);
	char *p = map(path, PROT_READ);
	int missing = shell("%s %s | grep -qw %d", command, path, getpid());

	munmap(p, page);
	return missing ? "not found" : "found";
}

static const char *by_lsof(const char *dir)
{
	return have("lsof") ? found_by(dir, "lsof -w -t") : "no lsof";
}

static const char *by_fuser(const char *dir)
{
	return have("fuser") ? found_by(dir, "fuser") : "no fuser";
}

static const struct {
	const char *what;
	const char *(*ask)(const char *dir);
	bool by_f_path;		/* what mmap_path= is for */
} rows[] = {
	{ "`/proc/PID/maps`", in_maps },
	{ "`/proc/PID/smaps`", in_smaps },
	{ "`/proc/PID/smaps_rollup`", in_rollup },
	{ "`/proc/PID/numa_maps`", in_numa_maps },
	{ "`/proc/PID/map_files`, the link", in_map_files },
	{ "`/proc/PID/map_files`, opened", by_map_files },
	{ "`PROCMAP_QUERY`", by_query },
	{ "`/proc/PID/exe`", in_exe },
	{ "`/proc/PID/exe`, after a rename", exe_when_moved },
	{ "`PR_SET_MM_EXE_FILE` of a program that is mapped", exe_while_mapped, true },
	{ "`/proc/PID/exe`, after `PR_SET_MM_EXE_FILE`", exe_of_another },
	{ "perf's `PERF_RECORD_MMAP2`", in_perf },
	{ "`PERF_RECORD_MMAP2`, opened below a bind mount", in_perf_when_bound },
	{ "`PERF_RECORD_MMAP2`, opened before a rename and mapped after it", in_perf_when_moved },
	{ "`NT_FILE` of a core dump", in_core, true },
	{ "`NT_FILE`, opened below a bind mount", in_core_when_bound, true },
	{ "`NT_FILE`, after a rename", in_core_when_moved, true },
	{ "`/proc/locks`", in_locks },
	{ "`/proc/PID/fdinfo`", in_fdinfo },
	{ "`lsof FILE`", by_lsof },
	{ "`fuser FILE`", by_fuser },
	{ "uprobe by path", by_uprobe },
	{ "`maps`, `smaps`, `numa_maps`, `map_files`, `PROCMAP_QUERY`, opened below a bind mount", when_bound },
	{ "`maps`, `smaps`, `numa_maps`, `map_files`, `PROCMAP_QUERY`, after a rename", when_moved },
	{ "`maps`, after a removal", when_gone },
	{ "`maps`, `smaps`, `numa_maps`, `map_files`, `PROCMAP_QUERY`, from before a copy-up", when_copied_up },
};

/* Asks in a child, so that nothing stays mapped. */
static void ask(char *cell, size_t size, const char *(*of)(const char *), const char *dir)
{
	int pipefd[2], status;
	pid_t child;
	ssize_t n;

	*cell = 0;
	if (pipe2(pipefd, O_CLOEXEC))
		return;
	child = fork();
	if (!child) {
		const char *answer = of(dir);

		_exit(write(pipefd[1], answer, strlen(answer)) < 0);
	}
	close(pipefd[1]);
	n = read(pipefd[0], cell, size - 1);
	cell[n < 0 ? 0 : n] = 0;
	close(pipefd[0]);
	waitpid(child, &status, 0);
}

TEST_F(u, table)
{
	unsigned int r;
	int c;

	printf("# | Place |");
	for (c = 0; c < COLUMNS; c++)
		printf(" %s |", heads[c]);
	printf("\n# | --- | --- | --- | --- | --- | --- | --- |\n");
	for (r = 0; r < ARRAY_SIZE(rows); r++) {
		const char *native = NULL;
		char cells[COLUMNS][512];

		for (c = 0; c < COLUMNS; c++) {
			if (c == OVERLAY && !have_overlay)
				strcpy(cells[c], "not tried");
			else
				ask(cells[c], sizeof(cells[c]), rows[r].ask, dirs[c]);
		}
		printf("# | %s |", rows[r].what);
		for (c = 0; c < COLUMNS; c++)
			printf(" %s |", cells[c]);
		printf("\n");
		native = cells[NATIVE];
		EXPECT_TRUE(!strcmp(native, "as `stat`") || !strcmp(native, "hits") ||
			    !strcmp(native, "found") || !strcmp(native, "refused") ||
			    !strcmp(native, "names no file")) {
			TH_LOG("%s: %s without a union", rows[r].what, native);
		}
		for (c = DIRECT; c < COLUMNS; c++) {
			if (rows[r].by_f_path && c < DIRECT_PATH)
				continue;
			EXPECT_STREQ(native, cells[c]) { TH_LOG("%s: %s", rows[r].what, dirs[c]); }
		}
	}
}

TEST_HARNESS_MAIN
