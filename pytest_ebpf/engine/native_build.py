"""Builds ``pytest_ebpf.engine._native``: libbpf and native.c through cffi, against the limited API."""

from __future__ import annotations

from pathlib import Path

import cffi

HERE = Path(__file__).parent

LIBBPF = """
struct btf; struct bpf_object; struct bpf_program; struct bpf_map; struct bpf_link; struct pe_ring;
struct bpf_object_open_opts { size_t sz; const char *object_name; char *kernel_log_buf; size_t kernel_log_size; ...; };
struct bpf_usdt_opts { size_t sz; uint64_t usdt_cookie; ...; };

struct bpf_object *bpf_object__open_file(const char *path, const void *opts);
struct bpf_object *bpf_object__open_mem(const void *obj_buf, size_t obj_buf_sz,
                                       const struct bpf_object_open_opts *opts);
int bpf_object__load(struct bpf_object *obj);
struct btf *bpf_object__btf(const struct bpf_object *obj);
void bpf_object__close(struct bpf_object *obj);
struct bpf_program *bpf_object__next_program(const struct bpf_object *obj, struct bpf_program *prog);
struct bpf_map *bpf_object__next_map(const struct bpf_object *obj, const struct bpf_map *map);

const char *bpf_program__name(const struct bpf_program *prog);
const char *bpf_program__section_name(const struct bpf_program *prog);
int bpf_program__fd(const struct bpf_program *prog);
int bpf_program__type(const struct bpf_program *prog);
bool bpf_program__autoload(const struct bpf_program *prog);
int bpf_program__set_autoload(struct bpf_program *prog, bool autoload);
int bpf_program__set_expected_attach_type(struct bpf_program *prog, int type);
int bpf_program__set_attach_target(struct bpf_program *prog, int fd, const char *name);
struct bpf_link *bpf_program__attach(const struct bpf_program *prog);
struct bpf_link *bpf_program__attach_iter(const struct bpf_program *prog, const void *opts);
struct bpf_link *bpf_program__attach_uprobe_opts(const struct bpf_program *prog, int pid, const char *path,
                                                 size_t offset, const struct bpf_uprobe_opts *opts);
struct bpf_link *bpf_program__attach_kprobe_opts(const struct bpf_program *prog, const char *name,
                                                 const struct bpf_kprobe_opts *opts);
struct bpf_link *bpf_program__attach_perf_event(const struct bpf_program *prog, int fd);
struct bpf_link *bpf_program__attach_raw_tracepoint(const struct bpf_program *prog, const char *name);
struct bpf_link *bpf_program__attach_usdt(const struct bpf_program *prog, int pid, const char *path,
                                          const char *provider, const char *name, const struct bpf_usdt_opts *opts);
struct bpf_link *bpf_program__attach_tracepoint(const struct bpf_program *prog, const char *category,
                                                const char *name);
int bpf_link__fd(const struct bpf_link *link);
int bpf_link__destroy(struct bpf_link *link);
int bpf_iter_create(int link_fd);

const char *bpf_map__name(const struct bpf_map *map);
int bpf_map__fd(const struct bpf_map *map);
int bpf_map__type(const struct bpf_map *map);
uint32_t bpf_map__key_size(const struct bpf_map *map);
uint32_t bpf_map__value_size(const struct bpf_map *map);
int bpf_map__set_key_size(struct bpf_map *map, uint32_t size);
int bpf_map__set_value_size(struct bpf_map *map, uint32_t size);
uint32_t bpf_map__max_entries(const struct bpf_map *map);
int bpf_map__set_max_entries(struct bpf_map *map, uint32_t entries);
bool bpf_map__is_internal(const struct bpf_map *map);
const void *bpf_map__initial_value(struct bpf_map *map, size_t *size);
int bpf_map__reuse_fd(struct bpf_map *map, int fd);
int bpf_map__set_initial_value(struct bpf_map *map, const void *data, size_t size);
int bpf_map_create(int type, const char *name, uint32_t key_size, uint32_t value_size,
                   uint32_t max_entries, const void *opts);
int bpf_map_lookup_elem(int fd, const void *key, void *value);
int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags);
int bpf_map_delete_elem(int fd, const void *key);
int bpf_map_get_next_key(int fd, const void *key, void *next);
int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value);
int libbpf_num_possible_cpus(void);
const char *libbpf_bpf_map_type_str(int type);
const char *libbpf_bpf_prog_type_str(int type);
int libbpf_probe_bpf_map_type(int type, const void *opts);

struct btf *btf__parse_elf(const char *path, void *ext);
void btf__free(struct btf *btf);

struct bpf_kprobe_opts { size_t sz; uint64_t bpf_cookie; bool retprobe; ...; };
struct bpf_uprobe_opts { size_t sz; size_t ref_ctr_offset; uint64_t bpf_cookie; bool retprobe; ...; };
struct bpf_map_create_opts { size_t sz; uint32_t map_flags; ...; };
#define BPF_MAP_TYPE_RINGBUF ...
#define BPF_MAP_TYPE_ARRAY ...
#define BPF_MAP_TYPE_TASK_STORAGE ...
#define BPF_MAP_TYPE_HASH_OF_MAPS ...
#define BPF_F_MMAPABLE ...
"""


SOURCES = (
    "native.c",
    "native_arena.c",
    "native_buffers.c",
    "native_calls.c",
    "native_crash.c",
    "native_headers.c",
    "native_links.c",
    "native_store.c",
    "native_types.c",
)
HEADERS = ("native.h", "native_buffers.h", "native_calls.h")  # those that Python sees


def builder() -> cffi.FFI:
    """Return the cffi builder of the extension."""
    ffi = cffi.FFI()
    header = "".join((HERE / name).read_text() for name in HEADERS)
    ffi.cdef(LIBBPF + header)
    ffi.set_source(
        "pytest_ebpf.engine._native",
        f"""
        #include <stdbool.h>
        #include <stdint.h>
        #include <bpf/bpf.h>
        #include <bpf/btf.h>
        #include <bpf/libbpf.h>
        {header}
        """,
        sources=[f"pytest_ebpf/engine/{name}" for name in SOURCES],
        include_dirs=["pytest_ebpf/engine"],
        depends=[*map(str, sorted(HERE.glob("native*.h"))), "bpf/events.h"],
        libraries=["bpf"],
        extra_compile_args=["-O2", "-Wall", "-Wno-unused-function"],
        define_macros=[("Py_LIMITED_API", "0x030a0000")],
        py_limited_api=True,
    )
    return ffi


ffibuilder = builder()
