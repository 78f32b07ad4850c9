"""Which servers are found, what is said of them, and what must never leave."""

import socket
import time
from collections import Counter
from pathlib import Path

import pytest

from sealtune.catalogue.services import load_services, parse_services
from sealtune.catalogue.workloads import load_workloads
from sealtune.errors import ConfigError
from sealtune.machine import find_services
from sealtune.machine.services import WORKPLACE

PRIVATE = Path("/var/lib", WORKPLACE, "pgbench-x")

HEADER = "  sl  local_address rem_address   st\n"
UNIX = "Num       RefCount Protocol Flags    Type St Inode Path\n"


class Host:
    """A pretended machine with processes, sockets and programs."""

    def __init__(self, tree):
        self.root = tree.root
        self._tree = tree

    def process(self, pid, name, *command, parent=1, cwd="/"):
        self._tree.write(f"/proc/{pid}/stat", f"{pid} ({name}) S {parent} {pid} 0 0\n")
        self._tree.write(f"/proc/{pid}/cmdline", "".join(f"{word}\0" for word in command))
        (self.root / f"proc/{pid}/cwd").symlink_to(cwd)
        return self

    def ports(self, *pairs, table="tcp"):
        rows = [
            f"   0: 00000000:{port:04X} 00000000:0000 {state} 0:0 0:0 0 0 0 {inode} 1 0\n"
            for port, state, inode in pairs
        ]
        self._tree.write(f"/proc/net/{table}", HEADER + "".join(rows))
        return self

    def unix(self, *paths, flags="00010000"):
        rows = [
            f"0000000000000000: 00000002 00000000 {flags} 0001 01 77 {path}\n" for path in paths
        ]
        self._tree.write("/proc/net/unix", UNIX + "".join(rows))
        return self

    def program(self, path):
        self._tree.write(path, "", mode=0o755)
        return self

    def holds(self, pid, inode):
        (self.root / f"proc/{pid}/fd").mkdir(parents=True)
        (self.root / f"proc/{pid}/fd/3").symlink_to(f"socket:[{inode}]")
        return self

    def found(self, **options):
        return {service.name: service for service in find_services(self.root, **options)}


@pytest.fixture
def host(tree):
    return Host(tree)


@pytest.mark.parametrize(
    ("name", "command", "service"),
    [
        ("postgres", ["/usr/lib/postgresql/15/bin/postgres", "-D", "/data"], "PostgreSQL"),
        ("postgres", ["postgres: checkpointer "], "PostgreSQL"),
        ("nginx", ["nginx: worker process"], "nginx"),
        ("redis-server", ["/usr/bin/redis-server 127.0.0.1:6379"], "Redis"),
        ("php-fpm8.2", ["php-fpm: master process (/etc/php/fpm.conf)"], "PHP-FPM"),
        ("java", ["/usr/bin/java", "-Xmx4g", "-cp", "x.jar", "kafka.Kafka", "a"], "Kafka"),
        ("beam.smp", ["/usr/lib/erlang/bin/beam.smp", "-s", "rabbit", "boot"], "RabbitMQ"),
        ("python3", ["/usr/bin/python3.11", "/opt/app/bin/gunicorn", "a:b"], "Gunicorn"),
        ("nfsd", [], "NFS server"),
        ("qemu-system-x86", ["/usr/bin/qemu-system-x86_64", "-m", "4G"], "KVM virtual machines"),
    ],
)
def test_a_server_is_known_by_its_process(name, command, service, host):
    """A process is recognised by its title, its program or the class an interpreter runs."""
    found = host.process(100, name, *command).found()

    assert [service] == list(found)
    assert "running" == found[service].state
    assert found[service].evidence.startswith("process ")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("vim", ["vim", "/etc/postgres"]),
        ("bash", ["bash", "-c", "echo redis-server"]),
        ("python3", ["python3", "app.py", "gunicorn"]),
        ("sshd", ["sshd: somebody@pts/0"]),
        ("rsyslogd", ["/usr/sbin/rsyslogd", "-n"]),
        ("", []),
    ],
)
def test_what_only_mentions_a_server_is_none(name, command, host):
    """A word among the arguments, or a program that every machine runs, is no evidence."""
    assert {} == host.process(100, name, *command).found()


def test_running_comes_before_listening_before_installed(host):
    """The strongest evidence stands first, and each service is named once."""
    host.process(100, "mysqld", "/usr/sbin/mysqld").ports((3306, "0A", 5), (5432, "0A", 6))
    host.program("/usr/sbin/nginx").program("/usr/sbin/mysqld")
    found = find_services(host.root)

    assert ["running", "listening", "installed"] == [service.state for service in found]
    assert ["MySQL", "PostgreSQL", "nginx"] == [service.name for service in found]
    assert "process mysqld, port 3306" == found[0].evidence
    assert "port 5432" == found[1].evidence


@pytest.mark.parametrize(
    ("table", "port", "service"),
    [
        ("tcp", 5432, "PostgreSQL"), ("tcp", 3306, "MySQL"), ("tcp6", 6379, "Redis"),
        ("tcp", 11211, "Memcached"), ("tcp", 80, "a web server"), ("tcp6", 443, "a web server"),
        ("tcp", 9092, "Kafka"), ("tcp", 2049, "NFS server"), ("tcp", 445, "Samba"),
        ("tcp", 514, "log collector"),
    ],
)  # fmt: skip
def test_a_well_known_port_speaks_for_its_server(table, port, service, host):
    """A port that listens names one server; a connection on the same port does not."""
    assert {} == host.ports((port, "01", 5), table=table).found()
    found = host.ports((port, "0A", 5), table=table).found()

    assert [service] == list(found)
    assert "listening" == found[service].state


def test_a_port_that_a_running_server_explains_speaks_for_no_other(host):
    """Valkey on the port of Redis is Valkey alone; nginx on 80 is no second web server."""
    host.process(7, "valkey-server", "/usr/bin/valkey-server").process(8, "nginx", "nginx")

    assert {"Valkey", "nginx"} == set(host.ports((6379, "0A", 5), (80, "0A", 6)).found())


def test_a_unix_socket_speaks_for_its_server(host):
    """A socket that accepts connections is evidence, a connected one is not."""
    assert {} == host.unix("/run/postgresql/.s.PGSQL.5432", flags="00000000").found()
    found = host.unix("/run/postgresql/.s.PGSQL.5432").found()

    assert "listening" == found["PostgreSQL"].state


def test_programs_and_units_are_found_where_they_lie(host):
    """Installed: on the usual path, in a place of its own, or as a unit of systemd."""
    host.program("/usr/sbin/nginx").program("/usr/lib/postgresql/15/bin/postgres")
    host.program("/usr/lib/systemd/system/jenkins.service")
    found = host.found()

    assert {"nginx", "PostgreSQL", "Jenkins"} == set(found)
    assert {"installed"} == {service.state for service in found.values()}


def test_servers_of_our_own_benchmarks_do_not_count(host):
    """A server below sealtune, in its work directory or on its socket is not the machine's."""
    host.process(10, "python3", "/usr/bin/python3", "/usr/bin/sealtune", "optimize")
    host.process(11, "nginx", "nginx: master process", parent=10)
    host.process(12, "redis-server", "/usr/bin/redis-server *:6379", parent=11).holds(12, 55)
    host.process(13, "postgres", "postgres", cwd=str(PRIVATE / "data"))
    host.process(14, "mysqld", "mysqld", "--datadir=/srv/bench/x")
    host.ports((6379, "0A", 55)).unix(str(PRIVATE / ".s.PGSQL.5432"))

    assert {} == host.found(private=[Path("/srv/bench")])


def test_a_servers_data_in_a_folder_called_sealtune_does_not_hide_it(host):
    """Only the program sealtune is ours, not whatever names it."""
    assert "PostgreSQL" in host.process(5, "postgres", "postgres", "-D", "/data/sealtune").found()


def test_what_cannot_be_read_is_no_error(host):
    """A process that is gone or closed, and broken tables, are passed over."""
    host.process(5, "postgres", "postgres").ports((80, "0A", 5))
    (host.root / "proc/6").mkdir()
    (host.root / "proc/6/stat").write_text("6 (gone")
    (host.root / "proc/net/tcp6").write_text(HEADER + "rubbish\n")
    (host.root / "proc/5/cmdline").unlink()

    assert {"PostgreSQL", "a web server"} == set(host.found())
    assert () == find_services(host.root / "nowhere")


def test_no_argument_and_no_path_leaves(host):
    """Of a command line with secrets only names of the table and ports are told."""
    host.process(5, "redis-server", "/home/jo/redis-server", "--requirepass", "hunter2")
    host.process(6, "java", "java", "-Dtoken=hunter2", "kafka.Kafka", "/home/jo/x.properties")
    host.unix("/home/jo/.s.PGSQL.5432")
    told = repr(find_services(host.root))

    assert "Kafka" in told
    assert "PostgreSQL" in told
    assert "hunter2" not in told
    assert "/home" not in told


def test_this_machine_is_read_quickly_and_our_own_sockets_are_not_seen():
    """A look at this machine takes less than 100 ms and does not take our own port for Redis."""
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            own.bind(("127.0.0.1", 11211))
        except OSError:
            pytest.skip("somebody listens on the port of Memcached here")
        own.listen()
        find_services()
        start = time.process_time()
        found = find_services()
        seconds = time.process_time() - start

    assert seconds < 0.1
    assert not any("11211" in service.evidence for service in found)


def test_the_table_is_large_and_names_each_program_once():
    """At least 60 servers, each class has some, and every server can be recognised somehow."""
    services = load_services()
    count = Counter(service.workload_class for service in services)

    assert len(services) >= 60
    assert {workload.name for workload in load_workloads().classes} == set(count)
    for service in services:
        assert service.programs or service.words or service.ports or service.paths
    assert len({service.name for service in services}) == len(services)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[service]]\nname = "x"', "workload_class is missing"),
        ('[[service]]\nname = "x"\nworkload_class = "odd"', "odd"),
        ('[[service]]\nname = "x"\nworkload_class = "web_server"\nfnord = 1', "fnord is unknown"),
        ("[[service", "no valid TOML"),
        (
            '[[service]]\nname = "x"\nworkload_class = "web_server"\nprograms = ["a"]\n'
            '[[service]]\nname = "y"\nworkload_class = "web_server"\nprograms = ["a"]',
            "a stands for x and y",
        ),
    ],
)
def test_a_wrong_table_is_refused_by_name(text, told):
    """A mistake in the table is refused with entry and field."""
    with pytest.raises(ConfigError, match=told):
        parse_services(text)
