"""Who a process is, and what it may do: credentials, keys, sandboxes."""

PROTOTYPES = """
getuid          -> int
geteuid         -> int
getgid          -> int
getegid         -> int
setuid          uid:id -> int
setgid          gid:id -> int
setreuid        ruid:id euid:id -> int
setregid        rgid:id egid:id -> int
setresuid       ruid:id euid:id suid:id -> int
setresgid       rgid:id egid:id sgid:id -> int
getresuid       ruid:identity(out) euid:identity(out) suid:identity(out) -> int
getresgid       rgid:identity(out) egid:identity(out) sgid:identity(out) -> int
setfsuid        fsuid:id -> int
setfsgid        fsgid:id -> int
getgroups       size:int list:identity_list(result, out) -> int
setgroups       size:int list:identity_list(size) -> int
capget          hdrp:cap_header datap:cap_data(hdrp, out) -> int
capset          hdrp:cap_header datap:cap_data(hdrp) -> int
seccomp         operation:flags(seccomp_operations) flags:hex args:ptr -> int
  operation=SECCOMP_GET_ACTION_AVAIL flags:hex args:seccomp_action
  operation=SECCOMP_GET_NOTIF_SIZES flags:hex args:seccomp_notif_sizes(out)
  operation=SECCOMP_SET_MODE_FILTER flags:flags(seccomp_filter_flags) args:sock_fprog
landlock_create_ruleset attr:landlock_ruleset(size) size:size flags:flags(landlock_create_flags) -> fd
  flags=LANDLOCK_CREATE_RULESET_VERSION -> int
landlock_add_rule ruleset_fd:fd rule_type:flags(landlock_rule_types) rule_attr:ptr flags:hex -> int
  rule_type=LANDLOCK_RULE_PATH_BENEATH rule_attr:landlock_path_beneath flags:hex
  rule_type=LANDLOCK_RULE_NET_PORT rule_attr:landlock_net_port flags:hex
landlock_restrict_self ruleset_fd:fd flags:hex -> int
lsm_get_self_attr attr:uint ctx:ptr size:uint32(inout) flags:hex -> int
lsm_set_self_attr attr:uint ctx:ptr size:uint flags:hex -> int
lsm_list_modules ids:ptr size:uint32(inout) flags:hex -> int
add_key         type:str description:str payload:data(plen) plen:size keyring:key -> int
request_key     type:str description:str callout_info:str dest_keyring:key -> int
keyctl          operation:flags(keyctl_commands) arg2:lhex arg3:lhex arg4:lhex arg5:lhex -> int
  operation=KEYCTL_GET_KEYRING_ID arg2:key arg3:int
  operation=KEYCTL_JOIN_SESSION_KEYRING arg2:str
  operation=KEYCTL_UPDATE arg2:key arg3:data(arg4) arg4:ulong
  operation=KEYCTL_REVOKE|KEYCTL_CLEAR|KEYCTL_INVALIDATE|KEYCTL_ASSUME_AUTHORITY arg2:key
  operation=KEYCTL_LINK|KEYCTL_UNLINK arg2:key arg3:key
  operation=KEYCTL_DESCRIBE|KEYCTL_GET_SECURITY arg2:key arg3:text_out(arg4) arg4:ulong
  operation=KEYCTL_READ arg2:key arg3:data_out(arg4) arg4:ulong
  operation=KEYCTL_SEARCH arg2:key arg3:str arg4:str arg5:key
  operation=KEYCTL_CHOWN arg2:key arg3:id arg4:id
  operation=KEYCTL_SETPERM arg2:key arg3:flags(key_permissions)
  operation=KEYCTL_INSTANTIATE arg2:key arg3:data(arg4) arg4:ulong arg5:key
  operation=KEYCTL_NEGATE arg2:key arg3:uint arg4:key
  operation=KEYCTL_SET_REQKEY_KEYRING arg2:flags(key_request_keyrings)
  operation=KEYCTL_SET_TIMEOUT arg2:key arg3:uint
  operation=KEYCTL_SESSION_TO_PARENT
  operation=KEYCTL_REJECT arg2:key arg3:uint arg4:flags(errors) arg5:key
  operation=KEYCTL_GET_PERSISTENT arg2:id arg3:key
  operation=KEYCTL_RESTRICT_KEYRING arg2:key arg3:str arg4:str
  operation=KEYCTL_MOVE arg2:key arg3:key arg4:key arg5:flags(key_move_flags)
  operation=KEYCTL_CAPABILITIES arg2:key_capabilities(arg3) arg3:ulong
"""
