/* Messages, semaphores and shared memory of System V and of POSIX, with good and with bad arguments. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, __VA_ARGS__)

static void *const nowhere = (void *)0xdead000;

static void messages(void)
{
	struct {
		long type;
		char text[64];
	} message = { 7, "hello, \"queue\"\n" };
	struct msqid_ds about;
	struct msginfo info;
	int queue = call(msgget, IPC_PRIVATE, IPC_CREAT | 0600);

	call(msgget, 0x1234, 0);
	call(msgget, 0x4321, IPC_CREAT | IPC_EXCL | 0);
	call(msgget, 0x4321, IPC_CREAT | IPC_EXCL | 0644);
	call(msgctl, call(msgget, 0x4321, 0), IPC_RMID, NULL);
	call(msgsnd, queue, &message, 15, 0);
	call(msgsnd, queue, &message, 0, IPC_NOWAIT);
	call(msgsnd, queue, nowhere, 3, IPC_NOWAIT);
	call(msgsnd, -1, &message, 3, 0);
	call(msgctl, queue, IPC_STAT, &about);
	about.msg_perm.mode = 0640;
	about.msg_qbytes = 4000;
	call(msgctl, queue, IPC_SET, &about);
	call(msgctl, queue, IPC_STAT, nowhere);
	call(msgctl, queue, IPC_INFO, &info);
	call(msgctl, queue, 77, &info);
	call(msgrcv, queue, &message, 15, 7, 0);
	call(msgrcv, queue, &message, sizeof(message.text), 0, MSG_NOERROR);
	call(msgrcv, queue, &message, sizeof(message.text), -9, IPC_NOWAIT);
	call(msgrcv, queue, nowhere, 8, 0, IPC_NOWAIT | MSG_EXCEPT);
	call(msgctl, queue, IPC_RMID, NULL);
	call(msgctl, queue, IPC_RMID, nowhere);
}

static void semaphores(void)
{
	struct sembuf two[2] = { { 0, 3, 0 }, { 1, 1, SEM_UNDO } }, wait = { 1, -5, IPC_NOWAIT };
	struct timespec soon = { 0, 1000000 };
	unsigned short values[2] = { 4, 5 };
	struct semid_ds about;
	struct seminfo info;
	int set = call(semget, IPC_PRIVATE, 2, IPC_CREAT | 0600);

	call(semget, 0x1234, 1, 0);
	call(semop, set, two, 2);
	call(semop, set, &wait, 1);
	call(semop, set, nowhere, 1);
	call(semop, set, NULL, 1);
	call(semop, set, two, 0);
	wait.sem_flg = 0;
	call(semtimedop, set, &wait, 1, &soon);
	call(semtimedop, set, two, 2, NULL);
	call(semctl, set, 0, SETVAL, 9);
	call(semctl, set, 0, GETVAL, 0);
	call(semctl, set, 0, SETALL, values);
	call(semctl, set, 0, GETALL, values);
	call(semctl, set, 0, GETPID, 0);
	call(semctl, set, 0, IPC_STAT, &about);
	about.sem_perm.uid = 1;
	call(semctl, set, 0, IPC_SET, &about);
	call(semctl, set, 0, IPC_SET, nowhere);
	call(semctl, set, 0, IPC_INFO, &info);
	call(semctl, set, 0, SEM_INFO, &info);
	call(semctl, set, 9, GETVAL, 0);
	call(semctl, set, 0, IPC_RMID, 0);
}

static void memory(void)
{
	struct shmid_ds about;
	struct shminfo limits;
	struct shm_info used;
	int segment = call(shmget, IPC_PRIVATE, 5000, IPC_CREAT | 0600);
	void *there = (void *)call(shmat, segment, NULL, 0);

	call(shmget, 0x1234, 1, 0);
	call(shmget, IPC_PRIVATE, 5000, IPC_CREAT | SHM_HUGETLB | (21 << 26) | 0600);
	call(shmat, segment, NULL, SHM_RDONLY);
	call(shmat, segment, (void *)1, 0);
	call(shmat, -1, NULL, SHM_REMAP | SHM_RND);
	call(shmctl, segment, IPC_STAT, &about);
	about.shm_perm.gid = 7;
	call(shmctl, segment, IPC_SET, &about);
	call(shmctl, segment, IPC_STAT, nowhere);
	call(shmctl, segment, IPC_INFO, &limits);
	call(shmctl, segment, SHM_INFO, &used);
	call(shmctl, segment, SHM_LOCK, NULL);
	call(shmctl, segment, SHM_UNLOCK, NULL);
	call(shmctl, segment, IPC_RMID, NULL);
	call(shmdt, there);
	call(shmdt, nowhere);
}

static void queues(void)
{
	struct mq_attr sizes = { .mq_maxmsg = 3, .mq_msgsize = 32 }, now = { .mq_flags = O_NONBLOCK };
	struct sigevent none = { .sigev_notify = SIGEV_NONE }, usr = { .sigev_signo = SIGUSR1, .sigev_notify = SIGEV_SIGNAL };
	struct timespec past = { 1, 5 };
	unsigned int priority;
	char text[64];
	int queue = call(mq_open, "calls_ipc", O_RDWR | O_CREAT | O_EXCL, 0600, &sizes);

	call(mq_open, "calls_ipc", O_RDONLY | O_NONBLOCK, 0, 0);
	call(mq_open, "nowhere", O_WRONLY);
	call(mq_open, nowhere, O_RDWR | O_CREAT, 0600, NULL);
	call(mq_timedsend, queue, "first", 5, 3, NULL);
	call(mq_timedsend, queue, "last\0", 5, 1, &past);
	call(mq_timedsend, queue, nowhere, 5, 1, NULL);
	call(mq_timedsend, 99, "x", 1, 0, NULL);
	call(mq_getsetattr, queue, NULL, &sizes);
	call(mq_getsetattr, queue, &now, &sizes);
	call(mq_notify, queue, &none);
	call(mq_notify, queue, NULL);
	call(mq_notify, queue, &usr);
	call(mq_timedreceive, queue, text, sizeof(text), &priority, NULL);
	call(mq_timedreceive, queue, text, sizeof(text), NULL, &past);
	call(mq_timedreceive, queue, text, sizeof(text), &priority, NULL);
	call(mq_timedreceive, queue, text, 1, &priority, NULL);
	call(mq_unlink, "calls_ipc");
	call(mq_unlink, "calls_ipc");
}

int main(void)
{
	messages();
	semaphores();
	memory();
	queues();
	return 0;
}
