/* os_posix.c - what every POSIX system does the same way: memory, files, threads, locks. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "os/os.h"
#include "os/os_posix.h"

const char *os_proved(void)
{
	return "native";
}

const char *os_error_text(int number, char *text, size_t size)
{
	return strerror_r(number, text, size);
}

/* ------ memory ------ */

void *os_calloc(size_t count, size_t size)
{
	return os_fault("calloc") ? NULL : calloc(count, size);
}

void *os_aligned(size_t align, size_t size)
{
	void *p = NULL;

	if (os_fault("posix_memalign") || posix_memalign(&p, align, size))
		return NULL;
	return memset(p, 0, size);
}

void os_free(void *p)
{
	free(p);
}

int os_page_size(void)
{
	return (int)sysconf(_SC_PAGESIZE);
}

int os_map(int fd, uint64_t offset, size_t size, unsigned flags, void **out)
{
	int e = os_fault("mmap"), prot = PROT_READ, how = flags & OS_MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED;

	if (e)
		return -e;
	if (flags & OS_MAP_WRITE)
		prot |= PROT_WRITE;
	if (fd < 0)
		how = MAP_PRIVATE | MAP_ANONYMOUS;
	if (flags & OS_MAP_NORESERVE)
		how |= MAP_NORESERVE;
	void *p = mmap(NULL, size, prot, how, fd, (off_t)offset);
	if (p == MAP_FAILED)
		return -errno;
	*out = p;
	return 0;
}

void os_unmap(void *p, size_t size)
{
	munmap(p, size);
}

/* ------ files ------ */

int os_open(const char *path, int flags)
{
	int e = os_fault("open");
	int fd = e ? -1 : open(path, flags | O_CLOEXEC);

	return e ? -e : fd < 0 ? -errno : fd;
}

int os_close(int fd)
{
	return close(fd) ? -errno : 0;
}

long os_read(int fd, void *to, size_t size)
{
	int e = os_fault("read");
	ssize_t n = e ? -1 : read(fd, to, size);

	return e ? -e : n < 0 ? -errno : (long)n;
}

int os_dup(int fd)
{
	int e = os_fault("dup");
	int n = e ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return e ? -e : n < 0 ? -errno : n;
}

int64_t os_file_size(int fd)
{
	struct stat st;
	int e = os_fault("fstat");

	if (!e && fstat(fd, &st))
		e = errno;
	if (!e && !S_ISREG(st.st_mode))
		e = EINVAL;
	return e ? -e : (int64_t)st.st_size;
}

long os_ioctl(int fd, unsigned long request, void *arg, const char *name)
{
	int e = os_fault(name);
	long rc = e ? -1 : ioctl(fd, request, arg);

	return e ? -e : rc < 0 ? -errno : rc;
}

/* ------ time ------ */

uint64_t os_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ------ threads ------ */

void os_yield(void)
{
	sched_yield();
}

/* Static TLS: os_thread_self is on the path of every call on a vCPU. */
static _Thread_local struct os_thread *self __attribute__((tls_model("initial-exec")));
static pthread_key_t ended_key;
static pthread_once_t ended_once = PTHREAD_ONCE_INIT;
static bool ended_key_ok;

static void thread_ended(void *p)
{
	struct os_thread *t = p;

	/* A destructor of somebody else's may still call in; it gets a new record. */
	self = NULL;
	atomic_store(&t->alive, 0);
	os_thread_unref(t);
}

/* A forked child is another thread than its parent's: it has copies of the vCPUs but owns none. Guest memory is shared
 * with it. */
static void forked(void)
{
	self = NULL;
}

static void make_key(void)
{
	ended_key_ok = !pthread_key_create(&ended_key, thread_ended) && !pthread_atfork(NULL, NULL, forked);
}

static struct os_thread *new_record(void)
{
	struct os_thread *t;

	pthread_once(&ended_once, make_key);
	if (!ended_key_ok)
		return NULL;
	t = os_calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	atomic_init(&t->refs, 1);
	atomic_init(&t->alive, 1);
	os_thread_identify(t);
	if (pthread_setspecific(ended_key, t)) {
		os_free(t);
		return NULL;
	}
	return self = t;
}

struct os_thread *os_thread_self(void)
{
	return self ? self : new_record();
}

static void (*_Atomic kick_hook)(void);

static void on_kick_signal(int sig)
{
	(void)sig;
	void (*hook)(void) = kick_hook;
	if (hook)
		hook();
}

int os_default_kick_signal(void)
{
	return SIGUSR1;
}

int os_kick_signal(int sig, void (*hook)(void))
{
	struct sigaction old, sa = {.sa_handler = on_kick_signal};
	int e = os_fault("sigaction");

	if (e)
		return -e;
	kick_hook = hook;
	if (sigaction(sig, NULL, &old))
		return -errno;
	if ((old.sa_flags & SA_SIGINFO) || (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN))
		return 0;
	sigemptyset(&sa.sa_mask);
	return sigaction(sig, &sa, NULL) ? -errno : 0;
}

struct os_worker {
	pthread_t thread;
	void (*fn)(void *);
	void *arg;
};

static void *worker_main(void *p)
{
	struct os_worker *w = p;

	w->fn(w->arg);
	return NULL;
}

int os_worker_start(void (*fn)(void *), void *arg, struct os_worker **out)
{
	struct os_worker *w = os_calloc(1, sizeof(*w));
	sigset_t all, old;
	int e;

	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->arg = arg;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	e = os_fault("pthread_create");
	if (!e)
		e = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e) {
		os_free(w);
		return -e;
	}
	*out = w;
	return 0;
}

void os_worker_join(struct os_worker *w)
{
	pthread_join(w->thread, NULL);
	os_free(w);
}

/* ------ locks ------ */

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct os_mutex), "os_mutex is too small");
_Static_assert(sizeof(pthread_cond_t) <= sizeof(struct os_cond), "os_cond is too small");

static pthread_mutex_t *mutex_of(struct os_mutex *m)
{
	return (pthread_mutex_t *)(void *)m->opaque;
}

static pthread_cond_t *cond_of(struct os_cond *c)
{
	return (pthread_cond_t *)(void *)c->opaque;
}

void os_mutex_init(struct os_mutex *m)
{
	pthread_mutex_init(mutex_of(m), NULL);
}

void os_mutex_destroy(struct os_mutex *m)
{
	pthread_mutex_destroy(mutex_of(m));
}

void os_lock(struct os_mutex *m)
{
	pthread_mutex_lock(mutex_of(m));
}

void os_unlock(struct os_mutex *m)
{
	pthread_mutex_unlock(mutex_of(m));
}

static pthread_mutex_t process_lock;
static pthread_once_t process_once = PTHREAD_ONCE_INIT;

static void make_process_lock(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&process_lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

void os_process_lock(void)
{
	pthread_once(&process_once, make_process_lock);
	pthread_mutex_lock(&process_lock);
}

void os_process_unlock(void)
{
	pthread_mutex_unlock(&process_lock);
}

void os_cond_init(struct os_cond *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond_of(c), &attr);
	pthread_condattr_destroy(&attr);
}

void os_cond_destroy(struct os_cond *c)
{
	pthread_cond_destroy(cond_of(c));
}

void os_cond_wait(struct os_cond *c, struct os_mutex *m)
{
	pthread_cond_wait(cond_of(c), mutex_of(m));
}

int os_cond_wait_until(struct os_cond *c, struct os_mutex *m, uint64_t deadline_ns)
{
	struct timespec ts = {.tv_sec = (time_t)(deadline_ns / 1000000000u),
			      .tv_nsec = (long)(deadline_ns % 1000000000u)};

	return pthread_cond_timedwait(cond_of(c), mutex_of(m), &ts) != ETIMEDOUT;
}

void os_cond_broadcast(struct os_cond *c)
{
	pthread_cond_broadcast(cond_of(c));
}

/* ------ the system's own libraries ------ */

/* A simulated WinHvPlatform.dll, in the tests' programs; it knows its own name too. */
void *vma_whpx_sim_symbol(const char *name) __attribute__((weak, visibility("hidden")));

int os_system_library(const char *name, void **lib)
{
	int e = os_fault("LoadLibraryEx");

	if (e)
		return -e;
	*lib = vma_whpx_sim_symbol ? vma_whpx_sim_symbol(name) : NULL;
	return *lib ? 0 : -ENOENT;
}

void *os_symbol(void *lib, const char *name)
{
	(void)lib;
	return vma_whpx_sim_symbol(name);
}
