"""Real servers for tests: each on free loopback ports, with all its data below one temporary directory, stopped by process id.

Nothing here touches a system service, /var/lib/docker, /var/lib/containers or the network beyond loopback. A server that
cannot run on this machine raises Unavailable with the reason.
"""

import contextlib
import ctypes
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PR_SET_PDEATHSIG = 1
START_SECONDS = 60  # Swift takes 14 s on two busy cores
STOP_SECONDS = 20


class Unavailable(Exception):
    """What a test needs is not here; the text says what and why."""


def program(name):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    if path is None:
        raise Unavailable("%s is not installed" % name)
    return path


def needs_root(what):
    if os.geteuid() != 0:
        raise Unavailable("%s needs root" % what)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    """In the child before exec: a killed test run leaves no server behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def call(*command, **options):
    """Runs a tool to its end; a failure shows what it said."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise AssertionError("%s ended with %d:\n%s" % (" ".join(map(str, command)), done.returncode,
                                                        done.stdout.decode(errors="replace")[-4000:]))
    return done.stdout.decode()


class Workspace:
    """A temporary directory and the servers in it, all gone at close()."""

    def __init__(self):
        # Short, because the path of a unix socket ends at 107 bytes.
        self.path = tempfile.mkdtemp(prefix="ct-")
        self.servers = []

    def directory(self, name):
        path = os.path.join(self.path, name)
        os.makedirs(path, exist_ok=True)
        return path

    def file(self, name, content, mode=0o600):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return path

    def start(self, name, command, ready, environment=None, **options):
        """Starts a server and waits until ready() is true; its log goes to NAME.log."""
        log = os.path.join(self.path, name + ".log")
        with open(log, "ab") as output:
            process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})},
                                       preexec_fn=die_with_parent, **options)
        self.servers.append(process)
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                with open(log, errors="replace") as said:
                    raise Unavailable("%s did not start:\n%s" % (name, said.read()[-3000:]))
            time.sleep(0.05)
        return process

    def stop(self, process):
        if process in self.servers:
            self.servers.remove(process)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self):
        for process in reversed(list(self.servers)):
            self.stop(process)
        # Engines leave mounts when they are stopped hard; deepest first.
        with open("/proc/self/mounts") as mounts:
            below = [line.split()[1] for line in mounts if line.split()[1].startswith(self.path + "/")]
        for mount in sorted(below, key=len, reverse=True):
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def answers(url, statuses=(200, 401), **options):
    """True when the URL answers with one of the statuses."""
    try:
        with urllib.request.urlopen(url, timeout=2, **options) as reply:
            return reply.status in statuses
    except urllib.error.HTTPError as error:
        return error.code in statuses
    except OSError:
        return False


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class CertificateAuthority:
    """A CA of our own, and a certificate for localhost and 127.0.0.1."""

    ELLIPTIC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    def __init__(self, workspace):
        self.workspace, self.directory = workspace, workspace.directory("tls")
        self.certificate, self.key = os.path.join(self.directory, "ca.crt"), os.path.join(self.directory, "ca.key")
        call(program("openssl"), "req", "-x509", *self.ELLIPTIC, "-keyout", self.key, "-out", self.certificate, "-subj", "/CN=test ca", "-days", "30",
             "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
        self.server_certificate, self.server_key = self.issue(
            "server", "localhost", "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")

    def issue(self, name, subject, extensions):
        """Paths of a new certificate and its key."""
        certificate, key, request = (os.path.join(self.directory, name + ending) for ending in (".crt", ".key", ".csr"))
        call(program("openssl"), "req", *self.ELLIPTIC, "-keyout", key, "-out", request, "-subj", "/CN=" + subject)
        call(program("openssl"), "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", "30",
             "-extfile", self.workspace.file("tls/%s.extensions" % name, extensions), "-out", certificate)
        return certificate, key

    def docker_certificates(self, name):
        """A directory as DOCKER_CERT_PATH has it, with a client's certificate."""
        directory = self.workspace.directory("tls/" + name)
        certificate, key = self.issue(name + "-client", name, "extendedKeyUsage=clientAuth\n")
        for source, target in ((self.certificate, "ca.pem"), (certificate, "cert.pem"), (key, "key.pem")):
            shutil.copy(source, os.path.join(directory, target))
        return directory


class Registry:
    """docker-registry, plain or with an `auth` section and TLS. `address` is what image names begin with."""

    user, password = "alice", "s3cret"

    def __init__(self, workspace, name="registry", auth="", authority=None, root=None):
        self.port = free_port()
        self.address = ("localhost:%d" if authority else "127.0.0.1:%d") % self.port
        self.root = root or workspace.directory(name + "-data")
        http = {"addr": "127.0.0.1:%d" % self.port}
        tls = ""
        if authority:
            http["host"] = "https://" + self.address
            tls = ", tls: {certificate: %s, key: %s}" % (authority.server_certificate, authority.server_key)
        config = "version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\n" % self.root
        # Layers with `urls` are allowed here, so that a client can be seen to refuse them.
        config += 'validation: {manifests: {urls: {allow: [".*"]}}}\n'
        config += "http: {%s%s}\n%s" % (", ".join('%s: "%s"' % item for item in http.items()), tls, auth)
        self.process = workspace.start(name, [program("docker-registry"), "serve", workspace.file(name + ".yml", config)],
                                       lambda: listens(self.port))

    @classmethod
    def with_basic(cls, workspace):
        line = call(program("htpasswd"), "-Bbn", cls.user, cls.password)
        path = workspace.file("htpasswd", line)
        return cls(workspace, "basic", "auth: {htpasswd: {realm: test, path: %s}}\n" % path)

    @classmethod
    def with_tls(cls, workspace, authority):
        return cls(workspace, "tls", authority=authority)

    @classmethod
    def with_tokens(cls, workspace):
        """Anonymous gets pull; alice gets everything. GET and OAuth2 POST."""
        key, certificate = os.path.join(workspace.path, "token.key"), os.path.join(workspace.path, "token.crt")
        call(program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-subj",
             "/CN=test-issuer", "-days", "30")
        port = free_port()
        server = os.path.join(os.path.dirname(os.path.abspath(__file__)), "token_server.py")
        workspace.start("token", [program("python3"), "-B", server, port, key, certificate, cls.user + ":" + cls.password],
                        lambda: listens(port))
        auth = "auth: {token: {realm: \"http://127.0.0.1:%d/token\", service: test-registry, issuer: test-issuer, " \
               "rootcertbundle: %s}}\n" % (port, certificate)
        return cls(workspace, "token-registry", auth)


class Swift:
    """OpenStack Swift with its S3 interface: the strictest SigV4 check among small servers, and no conditional writes (501)."""

    key, secret, region = "test:tester", "testing", "us-east-1"
    ring_ports = ("account", "container", "object")

    def __init__(self, workspace):
        program("swift-proxy-server")
        needs_xattrs(workspace.path)
        directory = workspace.directory("swift")
        os.makedirs(os.path.join(directory, "devices", "sda1"))
        workspace.file("swift/swift.conf", "[swift-hash]\nswift_hash_path_suffix = s\nswift_hash_path_prefix = p\n"
                       "[storage-policy:0]\nname = Policy-0\ndefault = yes\n"
                       "[swift-constraints]\nmax_file_size = 5368709122\nmax_header_size = 16384\n")
        for kind in self.ring_ports:
            port = free_port()
            builder = os.path.join(directory, kind + ".builder")
            ring = program("swift-ring-builder")
            call(ring, builder, "create", 4, 1, 1)
            call(ring, builder, "add", "r1z1-127.0.0.1:%d/sda1" % port, 1)
            call(ring, builder, "rebalance")
            conf = workspace.file("swift/%s.conf" % kind, self.default(directory, port) +
                                  "devices = %s/devices\nmount_check = false\nfallocate_reserve = 0\n"
                                  "[pipeline:main]\npipeline = %s-server\n[app:%s-server]\nuse = egg:swift#%s\n"
                                  % (directory, kind, kind, kind))
            workspace.start("swift-" + kind, [program("swift-%s-server" % kind), conf], lambda p=port: listens(p))
        self.port = free_port()
        self.endpoint = "http://127.0.0.1:%d" % self.port
        conf = workspace.file("swift/proxy.conf", self.default(directory, self.port) + self.proxy_filters())
        workspace.start("swift-proxy", [program("swift-proxy-server"), conf], lambda: listens(self.port))

    @staticmethod
    def default(directory, port):
        return "[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = %d\nworkers = 0\nuser = %s\nswift_dir = %s\nlog_address = /dev/null\n" % (
            port, os.environ.get("USER", "root") if os.geteuid() else "root", directory)

    @staticmethod
    def proxy_filters():
        filters = {
            "cache": "use = egg:swift#memcache\nmemcache_servers = 127.0.0.1:1\n",
            "s3api": "use = egg:swift#s3api\nstorage_domain = s3.localhost\nlocation = us-east-1\nmin_segment_size = 5242880\n"
                     "max_upload_part_num = 10000\nauth_pipeline_check = false\n",
            "tempauth": "use = egg:swift#tempauth\nuser_test_tester = testing .admin\n",
            "slo": "use = egg:swift#slo\nmax_manifest_segments = 10000\n",
            "versioned_writes": "use = egg:swift#versioned_writes\nallow_object_versioning = true\n",
        }
        for plain in ("catch_errors", "gatekeeper", "listing_formats", "copy", "bulk", "dlo", "symlink"):
            filters[plain] = "use = egg:swift#%s\n" % plain
        order = "catch_errors gatekeeper cache listing_formats s3api tempauth copy bulk slo dlo versioned_writes symlink proxy-server"
        text = "[pipeline:main]\npipeline = %s\n[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n" % order
        return text + "".join("[filter:%s]\n%s" % item for item in filters.items())


def needs_xattrs(path):
    probe = os.path.join(path, "xattr-probe")
    with open(probe, "w"):
        pass
    try:
        os.setxattr(probe, "user.probe", b"1")
    except OSError as error:
        raise Unavailable("no user xattrs in %s (%s); set TMPDIR to a directory on ext4 or xfs" % (path, error)) from error
    finally:
        os.unlink(probe)


class Moto:
    """moto_server, where it is installed: accepts any signature, but has both conditional writes."""

    key, secret, region = "test", "test", "us-east-1"

    def __init__(self, workspace):
        path = shutil.which("moto_server")
        if path is None:
            raise Unavailable("moto_server is not on PATH")
        self.port = free_port()
        self.endpoint = "http://127.0.0.1:%d" % self.port
        workspace.start("moto", [path, "-H", "127.0.0.1", "-p", self.port], lambda: listens(self.port))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("engine", timeout=300)
        self.path = path

    def connect(self):
        # Known to close() before it is connected, so that a refusal leaves nothing open.
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Containerd:
    def __init__(self, workspace):
        needs_root("containerd")
        directory = workspace.directory("c")
        self.socket = os.path.join(directory, "c.sock")
        config = workspace.file("c/config.toml", 'version = 2\nroot = "%(d)s/root"\nstate = "%(d)s/state"\n'
                                'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n'
                                '[grpc]\naddress = "%(d)s/c.sock"\n[ttrpc]\naddress = "%(d)s/t.sock"\n' % {"d": directory})
        # It creates its socket a moment before it answers there.
        workspace.start("containerd", [program("containerd"), "-c", config],
                        lambda: os.path.exists(self.socket) and subprocess.run(
                            [program("ctr"), "-a", self.socket, "version"], capture_output=True).returncode == 0)

    def ctr(self, *arguments):
        return call(program("ctr"), "-a", self.socket, "-n", "test", *arguments)


class Dockerd:
    """dockerd on a socket of its own, with overlay2 where the file system allows it (it shows faults that vfs hides). With an authority it
    listens on `port` too, for clients of that authority only."""

    def __init__(self, workspace, containerd, authority=None):
        needs_root("dockerd")
        self.port, self.listeners = free_port(), []
        if authority:
            self.listeners = ["-H", "tcp://127.0.0.1:%d" % self.port, "--tlsverify", "--tlscacert", authority.certificate,
                              "--tlscert", authority.server_certificate, "--tlskey", authority.server_key]
        try:
            self.start(workspace, containerd, "overlay2")
        except Unavailable:
            self.start(workspace, containerd, "vfs")

    def start(self, workspace, containerd, driver):
        directory = workspace.directory("d-" + driver)
        self.socket = os.path.join(directory, "d.sock")
        workspace.start("dockerd-" + driver, [
            program("dockerd"), "--containerd", containerd.socket, "--storage-driver=" + driver, "--iptables=false", "--ip6tables=false",
            "--bridge=none", "--data-root", directory + "/data", "--exec-root", directory + "/exec", "--pidfile", directory + "/pid",
            "-H", "unix://" + self.socket, *self.listeners], self.answers)

    def answers(self):
        try:
            return self.request("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def request(self, method, path, body=None, headers=None):
        with contextlib.closing(UnixConnection(self.socket)) as connection:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read()


class Podman:
    """podman has no daemon: a private store is all it needs. vfs copies each layer whole: overlay is for large images."""

    def __init__(self, workspace, driver="vfs"):
        needs_root("podman with a store of its own")
        self.options = [program("podman"), "--root", workspace.directory("pr"), "--runroot", workspace.directory("pn"),
                        "--storage-driver", driver, "--events-backend", "none"]

    def __call__(self, *arguments):
        return call(*self.options, *arguments)


class PodmanService(Podman):
    """podman's service, which speaks docker's API on a socket. `plain_http`: a registry that it may ask without TLS."""

    def __init__(self, workspace, driver="vfs", plain_http=""):
        super().__init__(workspace, driver)
        self.socket = os.path.join(workspace.path, "p.sock")
        registries = workspace.file("registries.conf", '[[registry]]\nlocation = "%s"\ninsecure = true\n' % plain_http if plain_http else "")
        workspace.start("podman-service", [*self.options, "system", "service", "--time=0", "unix://" + self.socket], self.answers,
                        {"CONTAINERS_REGISTRIES_CONF": registries} if plain_http else None)

    def answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self.socket)
            return True
        except OSError:
            return False
