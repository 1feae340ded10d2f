"""The programs whose calls strace and we tell of in one run: real ones, and some made to make a call in every way."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["PROGRAMS", "Program", "python", "shell"]


class Program(NamedTuple):
    """A command, run in an empty directory."""

    name: str
    command: tuple[str, ...]
    """``PROGRAMS/NAME`` is one of tests/programs, compiled."""
    needs: tuple[str, ...] = ()
    """Other commands that it runs, beyond what every Debian has."""


def shell(name: str, *lines: str, needs: tuple[str, ...] = ()) -> Program:
    """Return a shell script that ends at the first command that fails."""
    return Program(name, ("sh", "-c", "\n".join(("set -e", *lines))), needs)


def python(name: str, *lines: str) -> Program:
    """Return a program of Python."""
    # The system's own: one that a launcher starts would make it a shell's test.
    return Program(name, ("/usr/bin/python3", "-c", "\n".join(lines)), ("/usr/bin/python3",))


def _made(name: str) -> Program:
    return Program(name, (f"PROGRAMS/{name}",))


PROGRAMS = (
    shell(
        "git",
        "git init -q origin; cd origin; git config user.name us; git config user.email us@example.org",
        "echo text > file; git add file; git commit -q -m one",
        "cp file other; git add .; git commit -q -m two; git mv other third; git diff HEAD; git stash -q",
        "cd ..; git clone -q origin clone; cd clone; git log --stat; git gc -q",
        needs=("git",),
    ),
    shell("tar", "tar cf all.tar /etc/apt; tar xf all.tar; tar tf all.tar; gzip all.tar; zcat all.tar.gz | wc -c"),
    shell(
        "sqlite3",
        "sqlite3 database <<END",
        "create table t (a, b); insert into t values (1, 'one'), (2, 'two'); begin; update t set a = a + 1; commit;",
        "pragma journal_mode = wal; insert into t select * from t; create index i on t (a); vacuum; select * from t;",
        "END",
        needs=("sqlite3",),
    ),
    shell("find and grep", "find /etc -name '*.conf' > found; grep -r -c root /etc/passwd /etc/group; wc -l found"),
    shell(
        "coreutils",
        "echo text > a; cp --reflink=auto a b; cp -r /etc/apt c; mv b d; mv c e; rm -r e; ln -s a link; ln a hard",
        "mkdir -p x/y/z; rmdir x/y/z; touch -d 2020-01-01 a; chmod 600 a; chown 0:0 a; stat a; truncate -s 100 a",
        "dd if=/dev/zero of=z bs=1k count=3 conv=fsync; sync z; mktemp -d -p .; install -m 755 a i; df .; du -s .",
        "ls -laR; cat a | tee t; readlink -f link; realpath x/../a; mkfifo fifo; mknod null c 1 3; rm -r x null",
    ),
    shell(
        "sort",
        "seq 100000 > n; sort -S 100k -T . n > m; head -1 m; tail -1 m",
        "split -l 30000 n; cat x* | md5sum; cmp n m || :",
    ),
    shell(
        "make and gcc",
        r"printf 'int two(void); int main(void) { return two() - 2; }\n' > one.c",
        r"printf 'int two(void) { return 2; }\n' > two.c",
        r"printf 'it: one.o two.o\n\tgcc -o it one.o two.o\n' > Makefile; make it; ./it",
        needs=("make", "gcc"),
    ),
    shell(
        "a shell with pipes",
        "ls / | sort | head -3; seq 20 | xargs -P 3 -n 5 echo > x; (exit 3) || echo $?; wc -l < x; cat <<END",
        "here",
        "END",
        "sleep 5 & kill $!; wait $! || :; trap 'echo caught' USR1; kill -USR1 $$; flock x true; timeout 1 true",
        "sed -i s/1/2/ x; awk '{ print $1 }' x; perl -e 'print 1'; ldd /bin/true; nice true; nohup true",
    ),
    shell(
        "mount, unshare, pivot_root",
        "unshare --mount --pid --fork --uts sh -c 'hostname inner; mkdir new; mount -t tmpfs none new; mkdir new/old;"
        " mount -t proc proc /proc; cd new; pivot_root . old; cd /; /old/bin/ls / || :; /old/bin/umount -l /old || :'",
    ),
    shell("a terminal", "script -qec 'stty size; ls --color=auto; tty' out", needs=("script",)),
    python(
        "python with files",
        "import os, shutil, tempfile, mmap, json, pathlib",
        "with tempfile.TemporaryDirectory(dir='.') as folder:",
        "    path = pathlib.Path(folder, 'data.json'); path.write_text(json.dumps(list(range(10000))))",
        "    with path.open('r+b') as file:",
        "        os.fsync(file.fileno()); os.posix_fallocate(file.fileno(), 0, 100000)",
        "        mapped = mmap.mmap(file.fileno(), 0); mapped[0:1] = b'x'; mapped.flush(); mapped.close()",
        "    shutil.copy2(path, path.with_suffix('.copy')); path.rename(path.with_suffix('.moved'))",
        "    print(sorted(os.listdir(folder)), list(os.scandir(folder)), os.stat(folder), os.statvfs(folder))",
        "print(os.get_terminal_size if os.isatty(0) else 'no terminal', os.getxattr, os.getcwd())",
    ),
    python(
        "python with threads and processes",
        "import multiprocessing, subprocess, threading, time",
        "def work(n):",
        "    time.sleep(0.01); return n",
        "threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]",
        "[each.start() for each in threads]; [each.join() for each in threads]",
        "with multiprocessing.get_context('fork').Pool(3) as pool: print(pool.map(work, range(10)))",
        "child = subprocess.Popen(['sleep', '10']); child.terminate(); print(child.wait())",
    ),
    python(
        "python with asyncio",
        "import asyncio",
        "async def main():",
        "    child = await asyncio.create_subprocess_exec('sh', '-c', 'echo hi; exit 3', stdout=-1)",
        "    print(await child.communicate(), child.returncode)",
        "    server = await asyncio.start_server(lambda reader, writer: writer.close(), '127.0.0.1', 0)",
        "    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())",
        "    print(await reader.read()); writer.close(); server.close()",
        "asyncio.run(main())",
    ),
    *(_made(path.stem) for path in sorted(Path(__file__).with_name("programs").glob("calls_*.c"))),
)
