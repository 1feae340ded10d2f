/* Sockets, with good and with bad arguments; in the working directory. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_alg.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define call(name, ...) syscall(SYS_##name, __VA_ARGS__)

static void *const nowhere = (void *)0xdead000;

static void addresses(void)
{
	struct sockaddr_in four = { AF_INET, htons(80), { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in6 six = { AF_INET6, htons(443), htonl(7), IN6ADDR_LOOPBACK_INIT, 0 };
	struct sockaddr_un path = { AF_UNIX, "/nowhere/\"at\" all" }, hidden = { AF_UNIX, "\0hidden\0name" }, full;
	struct sockaddr_nl netlink = { .nl_family = AF_NETLINK, .nl_pid = 0, .nl_groups = 0x11 };
	struct sockaddr_ll packet = { AF_PACKET, htons(ETH_P_IP), 1, 0, 4, 6, { 1, 2, 0xff, 4, 0, 6 } };
	struct sockaddr_vm virtual = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_LOCAL, .svm_port = 0x400 };
	struct sockaddr_alg algorithm = { AF_ALG, "hash", 0, 0, "sha256" };
	struct sockaddr none = { AF_UNSPEC, "nothing" };
	uint16_t family = 77;

	memset(&full, 'f', sizeof(full));
	full.sun_family = AF_UNIX;
	call(connect, -1, &four, sizeof(four));
	call(connect, -1, &four, 8);
	call(connect, -1, &four, 2);
	call(connect, -1, &four, 1);
	call(connect, -1, &four, -1);
	call(connect, -1, &four, 128);
	call(connect, -1, nowhere, 16);
	call(connect, -1, NULL, 16);
	call(connect, -1, &six, sizeof(six));
	call(connect, -1, &six, 24);
	inet_pton(AF_INET6, "fe80::1:2", &six.sin6_addr);
	six.sin6_scope_id = 1;
	call(bind, -1, &six, sizeof(six));
	inet_pton(AF_INET6, "::ffff:1.2.3.4", &six.sin6_addr);
	call(bind, -1, &six, sizeof(six));
	call(bind, -1, &path, sizeof(path));
	call(bind, -1, &path, 10);
	call(bind, -1, &path, 3);
	call(bind, -1, &path, 2);
	call(bind, -1, &hidden, sizeof(hidden));
	call(bind, -1, &hidden, 2 + 7);
	call(bind, -1, &hidden, 3);
	call(bind, -1, &full, sizeof(full));
	call(bind, -1, &netlink, sizeof(netlink));
	call(bind, -1, &packet, sizeof(packet));
	packet.sll_halen = 0;
	call(bind, -1, &packet, sizeof(packet));
	call(bind, -1, &virtual, sizeof(virtual));
	call(bind, -1, &algorithm, sizeof(algorithm));
	call(bind, -1, &none, sizeof(none));
	call(bind, -1, &family, sizeof(family));
	none.sa_family = 99;
	call(bind, -1, &none, sizeof(none));
}

static void made(void)
{
	int pair[2];

	call(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	call(socket, AF_INET, SOCK_DGRAM, IPPROTO_UDP);
	call(socket, AF_INET6, SOCK_STREAM, IPPROTO_TCP);
	call(socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	call(socket, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	call(socket, AF_INET, 77, 255);
	call(socket, AF_VSOCK, SOCK_SEQPACKET, 0);
	call(socket, 99, 0x7000000, 3);
	call(socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
	call(socketpair, AF_UNIX, SOCK_STREAM, 0, nowhere);
	call(socketpair, AF_INET, SOCK_STREAM, 0, pair);
}

static int listening(struct sockaddr_in *name)
{
	socklen_t length = sizeof(*name);
	int server = call(socket, AF_INET, SOCK_STREAM, 0);

	*name = (struct sockaddr_in){ AF_INET, 0, { htonl(INADDR_LOOPBACK) } };
	call(bind, server, name, sizeof(*name));
	call(listen, server, 5);
	call(getsockname, server, name, &length);
	return server;
}

static void connected(void)
{
	struct sockaddr_in name, peer;
	struct sockaddr_storage large;
	socklen_t length = sizeof(peer), more = sizeof(large), less = 4, zero = 0, negative = -5;
	int server = listening(&name), client = call(socket, AF_INET, SOCK_STREAM, 0), one, two;
	char data[64];

	call(connect, client, &name, sizeof(name));
	one = call(accept4, server, &peer, &length, SOCK_CLOEXEC);
	call(getpeername, client, &large, &more);
	call(getpeername, client, &large, &less);
	call(getpeername, client, &large, &zero);
	call(getpeername, client, &large, &negative);
	call(getpeername, client, nowhere, &more);
	call(getpeername, client, &large, nowhere);
	call(getpeername, client, NULL, NULL);
	call(getpeername, server, &large, &more);
	call(sendto, client, "hello\0there", 11, MSG_NOSIGNAL, NULL, 0);
	call(sendto, client, nowhere, 3, 0, NULL, 0);
	call(sendto, client, "more", 4, MSG_MORE | MSG_DONTWAIT, &name, sizeof(name));
	call(recvfrom, one, data, 5, MSG_PEEK, NULL, NULL);
	more = sizeof(large);
	call(recvfrom, one, data, sizeof(data), 0, &large, &more);
	call(recvfrom, one, data, sizeof(data), MSG_DONTWAIT, NULL, NULL);
	call(recvfrom, one, data, sizeof(data), MSG_DONTWAIT, &large, &more);
	call(shutdown, client, SHUT_WR);
	call(shutdown, client, 7);
	call(recvfrom, one, data, sizeof(data), 0, NULL, NULL);
	call(recvfrom, one, data, sizeof(data), 0, NULL, NULL);
	call(recvfrom, -1, nowhere, sizeof(data), 0, nowhere, nowhere);
	client = call(socket, AF_INET, SOCK_STREAM, 0);
	call(connect, client, &name, sizeof(name));
	two = call(accept, server, NULL, NULL);
	call(accept, -1, &peer, &length);
	call(accept4, server, &peer, &length, 77);
	close(two);
}

static void packets(void)
{
	struct sockaddr_in name = { AF_INET, 0, { htonl(INADDR_LOOPBACK) } }, from;
	socklen_t length = sizeof(name), room = sizeof(from);
	int in = call(socket, AF_INET, SOCK_DGRAM, 0), out = call(socket, AF_INET, SOCK_DGRAM, 0);
	char data[64], other[64];
	struct iovec one = { "packet", 6 }, two[2] = { { "first ", 6 }, { "second", 6 } };
	struct iovec into[2] = { { data, 4 }, { other, 30 } };
	struct mmsghdr both[2] = {
		{ { &name, sizeof(name), &one, 1, NULL, 0, 0 }, 0 },
		{ { &name, sizeof(name), two, 2, NULL, 0, MSG_DONTWAIT }, 0 },
	};
	struct mmsghdr got[3] = {
		{ { &from, sizeof(from), into, 2, NULL, 0, 0 }, 0 },
		{ { NULL, 0, into, 1, NULL, 0, 0 }, 0 },
		{ { NULL, 0, into, 2, NULL, 0, 0 }, 0 },
	};
	struct timespec while_ = { 0, 50000000 };

	call(bind, in, &name, sizeof(name));
	getsockname(in, (struct sockaddr *)&name, &length);
	call(sendto, out, "to you", 6, 0, &name, sizeof(name));
	call(recvfrom, in, data, 3, MSG_TRUNC, &from, &room);
	call(sendto, out, "", 0, 0, &name, sizeof(name));
	call(recvfrom, in, data, 3, 0, &from, &room);
	call(sendmmsg, out, both, 2, 0);
	call(sendmmsg, out, NULL, 0, 0);
	call(sendmmsg, -1, both, 2, MSG_NOSIGNAL);
	call(sendmmsg, out, nowhere, 1, 0);
	call(recvmmsg, in, got, 2, 0, NULL);
	call(recvmmsg, in, got, 2, MSG_DONTWAIT, NULL);
	call(sendmmsg, out, both, 2, 0);
	got[0].msg_hdr.msg_namelen = 2;
	call(recvmmsg, in, got, 3, MSG_WAITFORONE, &while_);
	call(recvmmsg, in, nowhere, 3, MSG_DONTWAIT, NULL);
}

static void messages(void)
{
	int pair[2], fds[2] = { 0, 1 };
	char data[64], more[64], control[256] = { 0 };
	struct iovec parts[3] = { { "one", 3 }, { "", 0 }, { "three", 5 } }, into[2] = { { data, 5 }, { more, 50 } };
	struct msghdr sent = { .msg_iov = parts, .msg_iovlen = 3 };
	struct msghdr got = { data + 40, 20, into, 2, control, sizeof(control), 0 };
	struct cmsghdr *rights = (struct cmsghdr *)control;
	struct ucred me = { getpid(), getuid(), getgid() };
	int yes = 1;

	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	call(sendmsg, pair[0], &sent, 0);
	call(recvmsg, pair[1], &got, 0);
	*rights = (struct cmsghdr){ CMSG_LEN(sizeof(fds)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(rights), fds, sizeof(fds));
	sent.msg_control = control;
	sent.msg_controllen = CMSG_SPACE(sizeof(fds));
	call(sendmsg, pair[0], &sent, MSG_NOSIGNAL);
	got.msg_controllen = sizeof(control);
	call(recvmsg, pair[1], &got, MSG_CMSG_CLOEXEC);
	setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes));
	*rights = (struct cmsghdr){ CMSG_LEN(sizeof(me)), SOL_SOCKET, SCM_CREDENTIALS };
	memcpy(CMSG_DATA(rights), &me, sizeof(me));
	sent.msg_controllen = CMSG_SPACE(sizeof(me));
	call(sendmsg, pair[0], &sent, 0);
	got.msg_controllen = sizeof(control);
	call(recvmsg, pair[1], &got, 0);
	*rights = (struct cmsghdr){ 5, 77, 88 };
	call(sendmsg, pair[0], &sent, 0);
	sent.msg_controllen = 4;
	call(sendmsg, pair[0], &sent, 0);
	sent.msg_controllen = 0;
	sent.msg_iovlen = 0;
	call(sendmsg, pair[0], &sent, 0);
	call(recvmsg, pair[1], &got, MSG_DONTWAIT);
	call(recvmsg, pair[1], &got, MSG_DONTWAIT);
	sent.msg_iov = nowhere;
	sent.msg_iovlen = 1;
	call(sendmsg, pair[0], &sent, 0);
	call(sendmsg, pair[0], nowhere, 0);
	call(sendmsg, pair[0], NULL, 0);
	call(recvmsg, pair[0], nowhere, MSG_DONTWAIT);
}

static void options(void)
{
	int tcp = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0), yes = 1, value = 0;
	struct linger linger = { 1, 5 };
	struct timeval while_ = { 3, 7 };
	struct ucred peer;
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	struct sock_fprog program = { 1, &all };
	struct ip_mreq group = { { htonl(0xe0000101) }, { htonl(INADDR_LOOPBACK) } };
	struct ipv6_mreq group6 = { IN6ADDR_LOOPBACK_INIT, 1 };
	socklen_t length;
	char name[32];

	call(setsockopt, tcp, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	call(setsockopt, tcp, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	call(setsockopt, tcp, SOL_SOCKET, SO_LINGER, &linger, 4);
	call(setsockopt, tcp, SOL_SOCKET, SO_RCVTIMEO, &while_, sizeof(while_));
	call(setsockopt, tcp, SOL_SOCKET, SO_SNDTIMEO, &while_, 3);
	call(setsockopt, tcp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2);
	call(setsockopt, tcp, SOL_SOCKET, SO_KEEPALIVE, &yes, 2);
	call(setsockopt, tcp, SOL_SOCKET, SO_KEEPALIVE, nowhere, 4);
	call(setsockopt, tcp, SOL_SOCKET, SO_KEEPALIVE, NULL, 4);
	call(setsockopt, tcp, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	call(setsockopt, tcp, SOL_SOCKET, SO_DETACH_FILTER, &yes, sizeof(yes));
	call(setsockopt, tcp, SOL_SOCKET, 999, &yes, sizeof(yes));
	call(setsockopt, tcp, SOL_TCP, TCP_NODELAY, &yes, sizeof(yes));
	call(setsockopt, tcp, SOL_TCP, TCP_CONGESTION, "reno", 4);
	call(setsockopt, tcp, SOL_IP, IP_TTL, &yes, sizeof(yes));
	call(setsockopt, tcp, SOL_IP, IP_TOS, "\x10", 1);
	call(setsockopt, tcp, SOL_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group));
	call(setsockopt, tcp, SOL_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	call(setsockopt, tcp, SOL_IPV6, IPV6_ADD_MEMBERSHIP, &group6, sizeof(group6));
	call(setsockopt, tcp, 999, 7, "other", 5);
	call(setsockopt, -1, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &yes, 4);
	call(getsockopt, tcp, SOL_SOCKET, SO_TYPE, &value, (length = sizeof(value), &length));
	call(getsockopt, tcp, SOL_SOCKET, SO_DOMAIN, &value, &length);
	call(getsockopt, tcp, SOL_SOCKET, SO_ERROR, &value, &length);
	call(getsockopt, tcp, SOL_SOCKET, SO_RCVBUF, &value, (length = 2, &length));
	call(getsockopt, tcp, SOL_SOCKET, SO_RCVBUF, name, (length = sizeof(name), &length));
	call(getsockopt, tcp, SOL_SOCKET, SO_LINGER, &linger, (length = sizeof(linger), &length));
	call(getsockopt, tcp, SOL_SOCKET, SO_RCVTIMEO, &while_, (length = sizeof(while_), &length));
	call(getsockopt, tcp, SOL_SOCKET, SO_BINDTODEVICE, name, (length = sizeof(name), &length));
	call(getsockopt, local, SOL_SOCKET, SO_PEERCRED, &peer, (length = sizeof(peer), &length));
	call(getsockopt, tcp, SOL_TCP, TCP_CONGESTION, name, (length = sizeof(name), &length));
	call(getsockopt, tcp, SOL_TCP, TCP_MAXSEG, &value, (length = sizeof(value), &length));
	call(getsockopt, tcp, SOL_TCP, 999, &value, &length);
	call(getsockopt, tcp, 999, 1, &value, &length);
	call(getsockopt, tcp, SOL_SOCKET, SO_TYPE, nowhere, &length);
	call(getsockopt, tcp, SOL_SOCKET, SO_TYPE, &value, nowhere);
	call(getsockopt, tcp, SOL_SOCKET, SO_TYPE, &value, NULL);
}

int main(void)
{
	addresses();
	made();
	connected();
	packets();
	messages();
	options();
	return 0;
}
