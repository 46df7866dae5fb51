/* host.c - the helper process that runs batches on the host's processor: start it, hand it a batch, notice its end. */
#include "silicon.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct s_host {
	pid_t pid;
	int to, from, memory;
	struct s_shared *sh;
};

static void helper_path(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 16);
	path[n > 0 ? n : 0] = 0;
	strcat(path, "-native");
}

/* In the child: descriptors 3, 4 and 5 as the helper wants them. */
static _Noreturn void become_helper(int memory, int in, int out)
{
	char path[PATH_MAX];
	int high[3] = {fcntl(memory, F_DUPFD, 10), fcntl(in, F_DUPFD, 10), fcntl(out, F_DUPFD, 10)};
	for (int i = 0; i < 3; i++)
		if (high[i] < 0 || dup2(high[i], 3 + i) < 0)
			_exit(1);
	for (int fd = 6; fd < 64; fd++)
		close(fd);
	helper_path(path, sizeof path);
	execl(path, path, (char *)NULL);
	perror(path);
	_exit(1);
}

static bool wait_byte(struct s_host *h)
{
	char byte;
	ssize_t n;
	do
		n = read(h->from, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

struct s_host *host_start(struct s_shared **sh)
{
	struct s_host *h = calloc(1, sizeof *h);
	int in[2], out[2];
	if (!h)
		return NULL;
	h->memory = memfd_create("vmaccel-silicon", MFD_CLOEXEC);
	if (h->memory < 0 || ftruncate(h->memory, sizeof(struct s_shared)) || pipe2(in, O_CLOEXEC) ||
	    pipe2(out, O_CLOEXEC))
		return NULL;
	h->sh = mmap(NULL, sizeof *h->sh, PROT_READ | PROT_WRITE, MAP_SHARED, h->memory, 0);
	if (h->sh == MAP_FAILED)
		return NULL;
	h->pid = fork();
	if (h->pid == 0)
		become_helper(h->memory, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	h->to = in[1];
	h->from = out[0];
	*sh = h->sh;
	return h->pid > 0 && wait_byte(h) ? h : NULL;
}

bool host_run(struct s_host *h)
{
	int status = 0;
	if (write(h->to, "b", 1) == 1 && wait_byte(h))
		return true;
	waitpid(h->pid, &status, 0);
	fprintf(stderr, "the native helper ended in sequence %u of the batch: %s %d\n", h->sh->current,
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	h->pid = 0;
	return false;
}

void host_stop(struct s_host *h)
{
	close(h->to);
	close(h->from);
	if (h->pid > 0)
		waitpid(h->pid, NULL, 0);
	munmap(h->sh, sizeof *h->sh);
	close(h->memory);
	free(h);
}
