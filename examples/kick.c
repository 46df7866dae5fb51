/* kick.c [ACCELERATOR] - stop a guest that never exits by itself: a thread runs it, another one kicks it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <vmaccel/x86.h>

enum { MEM_SIZE = 0x10000 };

struct shared {
	vma_accel accel;
	pthread_mutex_t lock;
	pthread_cond_t ready;
	vma_kick *kick; /* set when the vCPU is there */
	int kind;
};

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "kick: %s: %s\n", what, vma_why());
	exit(1);
}

/* A vCPU belongs to the thread that created it: this one creates it, runs it and destroys it. */
static void *owner(void *arg)
{
	struct shared *s = arg;
	vma_vm_config config = {.size = sizeof(config), .accel = s->accel, .arch = VMA_ARCH_X86_64};
	uint32_t start[] = {VMA_X86_CS, VMA_X86_CS_BASE, VMA_X86_RIP};
	uint64_t zero[] = {0, 0, 0};
	vma_kick *kick;
	vma_vcpu *vcpu;
	vma_mem *mem;
	vma_vm *vm;

	must(vma_mem_anon(MEM_SIZE, &mem), "memory");
	memcpy(vma_mem_hva(mem), "\xeb\xfe", 2); /* 1: jmp 1b */
	must(vma_vm_create(&config, &vm), "create");
	must(vma_vm_finalize(vm), "finalize");
	must(vma_vm_map(vm, 0, mem, 0, MEM_SIZE, VMA_MAP_RWX), "map");
	must(vma_vcpu_create(vm, 0, &vcpu), "vCPU");
	must(vma_vcpu_set(vcpu, start, zero, 3), "registers");
	must(vma_vcpu_kick_handle(vcpu, &kick), "kick handle");

	pthread_mutex_lock(&s->lock);
	s->kick = kick;
	pthread_cond_signal(&s->ready);
	pthread_mutex_unlock(&s->lock);
	s->kind = vma_vcpu_run(vcpu);
	vma_vm_destroy(vm);
	vma_mem_unref(mem);
	return NULL;
}

int main(int argc, char **argv)
{
	struct shared s = {.accel = VMA_ACCEL_AUTO, .lock = PTHREAD_MUTEX_INITIALIZER, .ready = PTHREAD_COND_INITIALIZER};
	struct timespec while_it_spins = {.tv_nsec = 20000000};
	pthread_t thread;

	if (argc > 1)
		must(vma_accel_parse(argv[1], &s.accel), argv[1]);
	if (pthread_create(&thread, NULL, owner, &s))
		return 1;
	pthread_mutex_lock(&s.lock);
	while (!s.kick)
		pthread_cond_wait(&s.ready, &s.lock);
	pthread_mutex_unlock(&s.lock);
	nanosleep(&while_it_spins, NULL);
	vma_kick_send(s.kick);
	pthread_join(thread, NULL);
	vma_kick_send(s.kick); /* the vCPU is gone: nothing happens */
	vma_kick_unref(s.kick);
	printf("the run ended: %s\n", vma_exit_name(s.kind));
	return s.kind == VMA_EXIT_CANCELED ? 0 : 1;
}
