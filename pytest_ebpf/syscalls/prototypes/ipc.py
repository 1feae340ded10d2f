"""Messages, semaphores and shared memory, of System V and of POSIX."""

PROTOTYPES = """
msgget          key:flags(ipc_keys) msgflg:flags(ipc_flags) -> int
msgsnd          msqid:int msgp:msgbuf(msgsz) msgsz:size msgflg:flags(msgop_flags) -> int
msgrcv          msqid:int msgp:msgbuf(result, out) msgsz:size msgtyp:long msgflg:flags(msgop_flags) -> size
msgctl          msqid:int cmd:flags(msgctl_commands) buf:ptr -> int
  cmd=IPC_SET buf:msqid_ds_to_set
  cmd=IPC_STAT|MSG_STAT|MSG_STAT_ANY buf:msqid_ds(out)
  cmd=IPC_INFO|MSG_INFO buf:msginfo(out)
semget          key:flags(ipc_keys) nsems:int semflg:flags(ipc_flags) -> int
semop           semid:int sops:sembuf_list(nsops) nsops:uint -> int
semtimedop      semid:int sops:sembuf_list(nsops) nsops:uint timeout:timespec -> int
semctl          semid:int semnum:int cmd:flags(semctl_commands) arg:ptr -> int
  cmd=IPC_SET arg:semid_ds_to_set
  cmd=IPC_STAT|SEM_STAT|SEM_STAT_ANY arg:semid_ds(out)
  cmd=IPC_INFO|SEM_INFO arg:seminfo(out)
shmget          key:flags(ipc_keys) size:size shmflg:flags(shmget_flags) -> int
shmat           shmid:int shmaddr:ptr shmflg:flags(shmat_flags) -> address
shmdt           shmaddr:ptr -> int
shmctl          shmid:int cmd:flags(shmctl_commands) buf:ptr -> int
  cmd=IPC_SET buf:shmid_ds_to_set
  cmd=IPC_STAT|SHM_STAT|SHM_STAT_ANY buf:shmid_ds(out)
  cmd=IPC_INFO buf:shminfo(out)
  cmd=SHM_INFO buf:shm_info(out)
mq_open         name:str oflag:flags(open_flags) mode:mode attr:mq_new_attr -> fd
  oflag!O_CREAT
mq_unlink       name:str -> int
mq_timedsend    mqdes:fd msg_ptr:data(msg_len) msg_len:size msg_prio:uint abs_timeout:timespec -> int
mq_timedreceive mqdes:fd msg_ptr:data_out msg_len:size msg_prio:uint32(out) abs_timeout:timespec -> size
mq_notify       mqdes:fd sevp:sigevent -> int
mq_getsetattr   mqdes:fd newattr:mq_attr oldattr:mq_attr(out) -> int
"""
