/* explore.c - the search of explore.h: coroutines, the choice of who goes on, states that have been seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include "explore.h"
#include "seen.h"

enum { THREADS = 10, STACK = 64 << 10, BUFFER = 4, DEPTH = 4096, OBJECTS = 128, RANGES = 16 };
enum status { ABSENT, READY, ENDED };

struct store {
	void *p;
	size_t size;
	uint64_t value;
};

struct thread {
	const char *name;
	void (*fn)(void *);
	void *arg;
	enum status status;
	bool daemon, handler, begun;
	int on;         /* a handler's thread */
	uint64_t seen;  /* what it has learnt since its start: its local state */
	const char *at; /* the step that it waits to take */
	bool (*ready)(const void *);
	const void *ready_arg;
	bool just_locked;
	struct store buffer[BUFFER];
	unsigned buffered;
	ucontext_t start;
	jmp_buf rest; /* where it goes on, once begun: cheaper than a context, which has the signal mask */
};

/* What is accessed by steps: for good, so that addresses must be the same each time. */
struct object {
	const void *p;
	size_t size;
	int first; /* the thread that touched it first */
	bool shared;
};

/* A state on the way to the present one, the ways on from it, and which of them was taken. */
struct frame {
	uint64_t state;
	unsigned chosen, count;
	uint8_t ways[2 * THREADS];
	double orders;
};

struct range {
	const uint8_t *p;
	size_t size;
};

static struct exploration *e;
static struct thread threads[THREADS];
static int thread_count, self = -1;
static char stacks[THREADS][STACK] __attribute__((aligned(64)));
static jmp_buf searcher;

static struct object objects[OBJECTS];
static unsigned object_count;
static bool again; /* another object turned out to be shared */

static struct frame frames[DEPTH];
static unsigned depth, known; /* of frames: where this run is; those that it follows */
static struct {
	const char *who, *what;
} taken[DEPTH];
static unsigned taken_count;

static struct range states[RANGES];
static unsigned state_count;

static uint64_t plain_load(const void *p, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static uint64_t state_now(void)
{
	uint64_t h = 1;

	for (int i = 0; i < thread_count; i++) {
		const struct thread *t = &threads[i];

		h = seen_mix(h, t->seen + t->status + 8u * t->begun);
		for (unsigned n = 0; n < t->buffered; n++)
			h = seen_mix(seen_mix(h, (uintptr_t)t->buffer[n].p), t->buffer[n].value);
	}
	for (unsigned i = 0; i < object_count; i++)
		h = seen_mix(h, plain_load(objects[i].p, objects[i].size));
	for (unsigned i = 0; i < state_count; i++)
		h = seen_mix_bytes(h, states[i].p, states[i].size);
	return h ? h : 1;
}

/* ------ one run: its beginning and its end ------ */

static void __attribute__((noreturn)) stop(void)
{
	_longjmp(searcher, 1);
}

void explore_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(e->failure, sizeof(e->failure), format, args);
	va_end(args);
	if (self >= 0)
		stop();
	abort();
}

void explore_forget(uint64_t value)
{
	threads[self].seen = seen_mix(value + 1, 2);
}

static void thread_main(void)
{
	struct thread *t = &threads[self];

	t->fn(t->arg);
	explore_drain();
	explore_forget(0);
	t->status = ENDED;
	t->at = NULL;
	for (;;)
		explore_step("end", NULL, NULL);
}

static struct thread *new_thread(const char *name, void (*fn)(void *), void *arg)
{
	struct thread *t = &threads[thread_count];

	if (thread_count == THREADS)
		abort();
	*t = (struct thread){.name = name, .fn = fn, .arg = arg, .status = READY, .on = -1, .at = "begins"};
	getcontext(&t->start);
	t->start.uc_stack.ss_sp = stacks[thread_count];
	t->start.uc_stack.ss_size = STACK;
	makecontext(&t->start, thread_main, 0);
	thread_count++;
	return t;
}

int explore_thread(const char *name, void (*fn)(void *), void *arg)
{
	return (int)(new_thread(name, fn, arg) - threads);
}

int explore_daemon(const char *name, void (*fn)(void *), void *arg)
{
	struct thread *t = new_thread(name, fn, arg);

	t->daemon = true;
	return (int)(t - threads);
}

int explore_handler(const char *name, void (*fn)(void *), void *arg, int on, bool (*ready)(const void *))
{
	struct thread *t = new_thread(name, fn, arg);

	t->handler = true;
	t->on = on;
	t->ready = ready;
	t->ready_arg = arg;
	return (int)(t - threads);
}

void explore_state(const void *p, size_t size)
{
	states[state_count++] = (struct range){p, size};
}

/* ------ who goes on ------ */

/* -1: t is no handler's victim now; else the handler. */
static int handler_on(int t)
{
	for (int i = 0; i < thread_count; i++)
		if (threads[i].handler && threads[i].on == t && threads[i].begun && threads[i].status == READY)
			return i;
	return -1;
}

static bool can_go_on(int i)
{
	const struct thread *t = &threads[i];

	if (t->status != READY || handler_on(i) >= 0)
		return false;
	if (t->handler && !t->begun && (threads[t->on].status != READY || handler_on(t->on) >= 0))
		return false;
	return !t->ready || t->ready(t->ready_arg);
}

/* A way on: a thread takes its step, or (from THREADS) its oldest waiting store becomes visible. That a thread begins
 * concerns nobody, and need not be tried at other times. */
static unsigned ways_on(uint8_t *ways)
{
	unsigned count = 0;

	for (int i = 0; i < thread_count; i++)
		if (!threads[i].begun && !threads[i].handler) {
			ways[0] = (uint8_t)i;
			return 1;
		}
	if (self >= 0 && can_go_on(self))
		ways[count++] = (uint8_t)self;
	for (int i = 0; i < thread_count; i++)
		if (i != self && can_go_on(i))
			ways[count++] = (uint8_t)i;
	for (int i = 0; i < thread_count; i++)
		if (threads[i].buffered)
			ways[count++] = (uint8_t)(THREADS + i);
	return count;
}

/* A new state: note it and the ways on. False: what follows has been followed. */
static bool enter_state(unsigned count, const uint8_t *ways)
{
	struct frame *f = &frames[depth];
	uint64_t state = state_now();

	if (depth == DEPTH - 1)
		explore_fail("an order of more than %d steps", DEPTH);
	if (seen(state)) {
		if (depth)
			f[-1].orders += *seen_orders(state);
		return false;
	}
	seen_add(state);
	*f = (struct frame){.state = state, .count = count};
	memcpy(f->ways, ways, count);
	e->states++;
	known = depth + 1;
	return true;
}

/* The way that this run takes from here. */
static unsigned take_way(void)
{
	const struct frame *f = &frames[depth++];

	e->steps++;
	return f->ways[f->chosen];
}

static void note(const char *who, const char *what)
{
	if (taken_count < DEPTH) {
		taken[taken_count].who = who;
		taken[taken_count++].what = what;
	}
}

static void show_oldest(struct thread *t)
{
	struct store s = t->buffer[0];

	memmove(t->buffer, t->buffer + 1, --t->buffered * sizeof(s));
	memcpy(s.p, &s.value, s.size);
}

static void __attribute__((noreturn)) nobody_can(void)
{
	char text[160] = "";
	size_t n = 0;

	for (int i = 0; i < thread_count; i++)
		if (threads[i].status == READY && !threads[i].daemon && (!threads[i].handler || threads[i].begun) &&
		    n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "; %s: %s", threads[i].name, threads[i].at);
	if (n)
		explore_fail("nobody can go on%s", text);
	if (e->finish)
		e->finish();
	frames[depth - 1].orders += 1;
	stop();
}

/* THREADS and more: the store that waits longest is the step. */
static unsigned next_way(void)
{
	uint8_t ways[2 * THREADS];
	unsigned count;

	if (depth == known) {
		count = ways_on(ways);
		if (!count)
			nobody_can();
		if (!enter_state(count, ways))
			stop();
	}
	return take_way();
}

static void go_on(void)
{
	struct thread *t = &threads[self];

	if (t->begun)
		_longjmp(t->rest, 1);
	t->begun = true;
	setcontext(&t->start);
}

/* Until it is the calling thread's turn. */
static void schedule(void)
{
	int me = self;
	unsigned way;

	while ((way = next_way()) >= THREADS) {
		note(threads[way - THREADS].name, "(a store becomes visible)");
		show_oldest(&threads[way - THREADS]);
	}
	self = (int)way;
	note(threads[self].name, threads[self].at);
	threads[self].seen = seen_mix(threads[self].seen, 1);
	if (self != me && (me < 0 || !_setjmp(threads[me].rest)))
		go_on();
}

void explore_step(const char *what, bool (*ready)(const void *), const void *arg)
{
	struct thread *t = &threads[self];

	if (t->status == READY)
		t->at = what;
	t->ready = ready;
	t->ready_arg = arg;
	schedule();
	t->ready = NULL;
}

void explore_saw(uint64_t value)
{
	if (self >= 0)
		threads[self].seen = seen_mix(threads[self].seen, value);
}

unsigned explore_choose(const char *what, unsigned count)
{
	static const uint8_t ways[2 * THREADS] = {0, 1, 2, 3, 4, 5, 6, 7};
	unsigned chosen;

	threads[self].seen = seen_mix(threads[self].seen, count);
	if (depth == known && !enter_state(count, ways))
		stop();
	chosen = take_way();
	if (chosen)
		note("-", what);
	explore_saw(chosen);
	return chosen;
}

bool explore_in_handler(void)
{
	return self >= 0 && threads[self].handler;
}

int explore_self(void)
{
	return self;
}

bool explore_ended(int thread)
{
	return threads[thread].status == ENDED;
}

/* ------ accesses ------ */

enum fault explore_fault(const char *what)
{
	if (!e->mutation || strcmp(e->mutation->operation, what))
		return FAULT_NONE;
	e->mutated = true;
	return e->mutation->fault;
}

static struct object *object_of(const void *p, size_t size)
{
	static unsigned last;

	if (last < object_count && objects[last].p == p)
		return &objects[last];
	for (last = 0; last < object_count; last++)
		if (objects[last].p == p)
			return &objects[last];
	if (object_count == OBJECTS)
		abort();
	objects[object_count++] = (struct object){.p = p, .size = size, .first = self};
	return &objects[last];
}

static bool is_shared(const void *p, size_t size)
{
	struct object *o = object_of(p, size);

	again |= !o->shared && o->first != self;
	o->shared |= o->first != self;
	return o->shared;
}

enum fault explore_access(const char *what, const void *object, size_t size, bool (*ready)(const void *))
{
	enum fault fault = explore_fault(what);

	if (self < 0)
		return fault;
	if (fault == FAULT_NOT_DONE)
		ready = NULL;
	explore_check(what, object);
	if ((is_shared(object, size) && !threads[self].just_locked) || (ready && !ready(object)))
		explore_step(what, ready, object);
	threads[self].just_locked = false;
	explore_check(what, object);
	if (again)
		stop();
	return fault;
}

void explore_locked(void)
{
	threads[self].just_locked = true;
}

uint64_t explore_load(const void *p, size_t size)
{
	const struct thread *t = self >= 0 ? &threads[self] : NULL;

	for (unsigned i = t ? t->buffered : 0; i--;)
		if (t->buffer[i].p == p)
			return t->buffer[i].value;
	return plain_load(p, size);
}

void explore_store(void *p, size_t size, uint64_t value, bool late)
{
	struct thread *t;

	if (self < 0 || !late) {
		memcpy(p, &value, size);
		return;
	}
	t = &threads[self];
	if (t->buffered == BUFFER)
		show_oldest(t);
	t->buffer[t->buffered++] = (struct store){p, size, value};
}

bool explore_buffered(void)
{
	return self >= 0 && threads[self].buffered;
}

void explore_drain(void)
{
	while (explore_buffered())
		show_oldest(&threads[self]);
}

/* ------ the search ------ */

static void run_once(void)
{
	self = -1;
	thread_count = 0;
	state_count = taken_count = 0;
	explore_heap_empty();
	depth = 0;
	e->setup();
	e->runs++;
	if (!_setjmp(searcher))
		schedule();
}

/* The next way that has not been taken; false: there is none. */
static bool turn_back(void)
{
	while (known) {
		struct frame *f = &frames[known - 1];

		if (++f->chosen < f->count)
			return true;
		*seen_orders(f->state) = f->orders;
		known--;
		if (known)
			f[-1].orders += f->orders;
		else
			e->orders = f->orders;
	}
	return false;
}

static void forget(void)
{
	e->failure[0] = 0;
	seen_none();
	known = 0;
	e->states = e->steps = e->runs = 0;
	e->orders = 0;
	again = false;
}

static char *trace(void)
{
	size_t size = 1;
	char *text;

	for (unsigned i = 0; i < taken_count; i++)
		size += strlen(taken[i].who) + strlen(taken[i].what) + 4;
	text = calloc(1, size);
	for (unsigned i = 0, n = 0; text && i < taken_count; i++)
		n += (unsigned)sprintf(text + n, "%s: %s\n", taken[i].who, taken[i].what);
	return text;
}

void explore(struct exploration *exploration)
{
	e = exploration;
	e->mutated = false;
	object_count = 0;
	forget();
	do {
		if (again)
			forget();
		run_once();
	} while (again || (!e->failure[0] && turn_back()));
	if (e->failure[0])
		e->trace = trace();
	seen_none();
}
