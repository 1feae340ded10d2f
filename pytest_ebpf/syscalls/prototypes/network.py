"""Sockets."""

PROTOTYPES = """
socket          domain:flags(address_families) type:flags(socket_types) protocol:socket_protocol(domain) -> fd
socketpair      domain:flags(address_families) type:flags(socket_types) protocol:uint sv:descriptor_list(2, out) -> int
bind            sockfd:fd addr:sockaddr(addrlen) addrlen:int -> int
connect         sockfd:fd addr:sockaddr(addrlen) addrlen:int -> int
listen          sockfd:fd backlog:int -> int
accept          sockfd:fd addr:sockaddr_out(addrlen) addrlen:socklen(addr) -> fd
accept4         sockfd:fd addr:sockaddr_out(addrlen) addrlen:socklen(addr) flags:flags(socket_flags) -> fd
getsockname     sockfd:fd addr:sockaddr_out(addrlen) addrlen:socklen(addr) -> int
getpeername     sockfd:fd addr:sockaddr_out(addrlen) addrlen:socklen(addr) -> int
sendto          sockfd:fd buf:data(len) len:size flags:flags(message_flags) dest_addr:sockaddr(addrlen) \
                addrlen:int -> size
recvfrom        sockfd:fd buf:data_out(len) len:size flags:flags(message_flags) src_addr:sockaddr_out(addrlen) \
                addrlen:socklen(src_addr) -> size
sendmsg         sockfd:fd msg:message flags:flags(message_flags) -> size
recvmsg         sockfd:fd msg:message_out flags:flags(message_flags) -> size
sendmmsg        sockfd:fd msgvec:messages(vlen) vlen:uint flags:flags(message_flags) -> int
recvmmsg        sockfd:fd msgvec:messages_out(vlen) vlen:uint flags:flags(message_flags) timeout:timeout_left -> int
getsockopt      sockfd:fd level:flags(socket_levels) optname:socket_option(level) optval:option_out \
                optlen:socklen -> int
setsockopt      sockfd:fd level:flags(socket_levels) optname:socket_option(level) optval:option_in optlen:int -> int
shutdown        sockfd:fd how:flags(shutdown_how) -> int
"""
