"""The servers of the benchmark: each a child of ours on a free loopback port,
in one folder that is removed in the end."""

import glob
import http.client
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

PATIENCE = 30


class Trouble(Exception):
    """Something is missing or does not work; the text says what to do."""


def need(program, package, folders=()):
    """The path of a program, or a sentence on how to get it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", *folders])
    found = shutil.which(program, path=path)
    if not found:
        raise Trouble(f"{program} is not installed: apt-get install {package}")
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, method, path, body=None, headers=None, timeout=10, with_headers=False):
    """Status and body of one request, and if wanted the headers between."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        answer = reply.read()
        return (reply.status, reply.headers, answer) if with_headers else (reply.status, answer)
    finally:
        connection.close()


def wait(what, condition, patience=PATIENCE, pause=0.02):
    end = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Trouble(f"waited {patience} s in vain for {what}")
        time.sleep(pause)


class Server:
    """One started program. `name` is what the tables call it."""

    def __init__(self, name, arguments, folder, environment=None, user=None, stop=signal.SIGTERM):
        self.name = name
        self.stop_signal = stop
        self.log = os.path.join(folder, f"{name}.log")
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                arguments, cwd=folder, env={**inherited, **(environment or {})},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}))

    @property
    def pid(self):
        return self.process.pid

    def check(self):
        if self.process.poll() is not None:
            with open(self.log, errors="replace") as log:
                tail = log.read()[-2000:]
            raise Trouble(f"{self.name} ended with {self.process.returncode}; it says:\n{tail}")

    def accepts(self, port):
        def look():
            self.check()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait(f"{self.name} to listen", look)

    def stop(self, how=None):
        if self.process.poll() is None:
            self.process.send_signal(how or self.stop_signal)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class House:
    """All servers of one run."""

    def __init__(self, root, folder):
        self.root = root
        self.folder = folder
        self.servers = []
        self.account = None
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            names = [entry.pw_name for entry in pwd.getpwall()]
            self.account = pwd.getpwnam("postgres" if "postgres" in names else "nobody")

    def close(self):
        while self.servers:
            self.servers.pop().stop()

    def binary(self, name):
        return os.path.join(self.root, "target", "release", name)

    def example(self, name):
        return os.path.join(self.root, "target", "release", "examples", name)

    def start(self, name, arguments, **options):
        folder = options.pop("folder", self.folder)
        server = Server(name, arguments, folder, **options)
        self.servers.append(server)
        return server

    def stub(self):
        port = free_port()
        server = self.start("stub", [self.example("stub_backend"), f"127.0.0.1:{port}"])
        server.accepts(port)
        return server, port

    def minimal_proxy(self, backend):
        port = free_port()
        url = f"http://127.0.0.1:{backend}/mcp"
        server = self.start("proxy", [self.example("minimal_proxy"), f"127.0.0.1:{port}", url])
        server.accepts(port)
        return server, port

    def nginx(self, name, text, port):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder)
        configuration = os.path.join(folder, "nginx.conf")
        with open(configuration, "w") as file:
            file.write(text)
        server = self.start(
            name, [need("nginx", "nginx-light"), "-e", "stderr", "-p", folder + "/", "-c",
                   configuration, "-g", "daemon off;"],
            folder=folder, stop=signal.SIGTERM)
        server.accepts(port)
        return server, port

    def plain_nginx(self, backend):
        """nginx → stub, as little configuration as keeps connections alive."""
        port = free_port()
        user = f"user {self.account.pw_name};" if self.account else ""
        return self.nginx("nginx", f"""
{user}
worker_processes auto;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    upstream stub {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://stub;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
""", port)

    def shipped_nginx(self, gateway):
        """nginx → gateway, with the template that is shipped."""
        template = os.path.join(self.root, "docker/nginx/scopegate.conf.template")
        with open(template) as file:
            text = file.read()
        port = free_port()
        folder = os.path.join(self.folder, "front")
        values = {
            "USER_DIRECTIVE": f"user {self.account.pw_name};" if self.account else "",
            "WORKERS": "auto", "RUN_DIR": folder, "ERROR_LOG": "stderr",
            # The shipped format, to a file, as a real installation would.
            "ACCESS_LOG": os.path.join(folder, "access.log"),
            "LISTEN_HOST": "127.0.0.1", "LISTEN_PORT": str(port),
            "GATEWAY": f"127.0.0.1:{gateway}", "MORE_GATEWAYS": "", "REAL_IP": "",
            "MAX_BODY_BYTES": "4194304",
            "ANONYMOUS_RATE": "20", "ANONYMOUS_BURST": "40", "ANONYMOUS_CONNECTIONS": "20",
        }
        for name, value in values.items():
            text = text.replace("${" + name + "}", value)
        return self.nginx("front", text, port)

    def redis(self):
        port = free_port()
        program = need("redis-server", "redis-server")
        server = self.start("redis", [program, "--port", str(port), "--bind", "127.0.0.1",
                                      "--save", "", "--appendonly", "no"], user=self.account)
        server.accepts(port)
        return server, port

    def postgres(self):
        """A cluster with its durability as delivered: what a call costs
        includes what PostgreSQL does to keep its row."""
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
        need("initdb", "postgresql", folders)
        binaries = next(f for f in [*folders, ""] if not f or os.path.exists(f + "/initdb"))
        folder = os.path.join(self.folder, "postgres")
        os.makedirs(folder)
        user = self.account
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        made = subprocess.run(
            [os.path.join(binaries, "initdb"), "-D", folder + "/data", "-U", "bench", "-A", "trust",
             "-E", "UTF8", "--locale=C", "--no-sync"],
            cwd=folder, capture_output=True, text=True, check=False, **as_user)
        if made.returncode:
            raise Trouble(f"initdb failed: {made.stderr}")
        port = free_port()
        server = self.start(
            "postgres", [os.path.join(binaries, "postgres"), "-D", folder + "/data", "-p", str(port),
                         "-clisten_addresses=127.0.0.1", "-cunix_socket_directories="],
            user=user, stop=signal.SIGINT)
        self.psql = [os.path.join(binaries, "psql"), "-h", "127.0.0.1", "-p", str(port), "-U",
                     "bench", "-d", "postgres", "-qAt", "-F", " ", "-c"]
        def answers():
            server.check()
            return subprocess.run([*self.psql, "SELECT 1"], capture_output=True,
                                  check=False).returncode == 0
        wait("PostgreSQL to answer", answers)
        return server, f"postgres://bench@127.0.0.1:{port}/postgres"

    def issuer(self, algorithm):
        """What the gateway must know to trust tokens of this algorithm, and
        such a token."""
        program = self.binary("dev-issuer")
        environment = {"JWT_ISSUER": "bench", "JWT_AUDIENCE": "scopegate",
                       "JWT_ALGORITHM": algorithm}
        known = {**environment, "JWT_ALLOWED_ALGORITHMS": algorithm}
        if algorithm.startswith("HS"):
            environment["JWT_SECRET_KEY"] = known["JWT_SECRET_KEY"] = secrets.token_urlsafe(48)
        else:
            environment["DEV_ISSUER_KEY_FILE"] = os.path.join(self.folder, algorithm + ".pem")
            known["JWT_JWKS_FILE"] = os.path.join(self.folder, algorithm + ".jwks.json")
            port = free_port()
            server = Server("issuer", [program, "--listen", f"127.0.0.1:{port}"], self.folder,
                            environment)
            try:
                server.accepts(port)
                with open(known["JWT_JWKS_FILE"], "wb") as file:
                    file.write(ask(port, "GET", "/jwks.json")[1])
            finally:
                server.stop()
        made = subprocess.run(
            [program, "token", "--user-id", "bench", "--roles", "bench", "--workspace", "bench"],
            env=environment, capture_output=True, text=True, check=False)
        if made.returncode:
            raise Trouble(f"dev-issuer gives no token: {made.stderr}")
        return known, made.stdout.strip()


class Gateway:
    """One configuration of the gateway, with files of its own."""

    def __init__(self, house, name, stub, known, redis=None, postgres=None, counts=True):
        self.house = house
        self.name = name
        self.folder = os.path.join(house.folder, name)
        os.makedirs(self.folder)
        self.port = free_port()
        self.metrics = free_port()
        self.redis = redis
        self.postgres = postgres
        self.server = None
        if postgres:
            made = subprocess.run([*house.psql, f'CREATE DATABASE "{name}"'], capture_output=True,
                                  text=True, check=False)
            if made.returncode:
                raise Trouble(f"no database: {made.stderr}")
            database = postgres.rsplit("/", 1)[0] + "/" + name
        else:
            database = f"sqlite://{self.folder}/scopegate.db"
        self.write("tools.yaml", f"""
backends:
  stub: {{ url: "http://127.0.0.1:{stub}/mcp" }}
  seated: {{ url: "http://127.0.0.1:{stub}/seated", era: legacy }}
scopes:
  news: {{ backends: [seated] }}
tools:
  - name: exact_calculate
    description: Exact decimal arithmetic
    backend: stub
    scope: calculator
    timeout_ms: 5000
    input_schema:
      type: object
      additionalProperties: false
      required: [operator, operands]
      properties:
        operator: {{ type: string, enum: [add, sub, mul, div] }}
        operands: {{ type: array, minItems: 1, maxItems: 1000, items: {{ type: string, maxLength: 202 }} }}
        precision: {{ type: integer, minimum: 1, maximum: 100 }}
  - name: stream_events
    description: An event, and later another one
    backend: stub
    scope: calculator
    timeout_ms: 5000
    input_schema: {{ type: object, additionalProperties: false }}
  - name: stream_silence
    description: An event, and then nothing
    backend: stub
    scope: calculator
    timeout_ms: 3600000
    input_schema: {{ type: object, additionalProperties: false }}
""")
        self.write("policy.yaml", """
default_action: deny
roles:
  bench: { allowed_tools: [exact_calculate, stream_events, stream_silence] }
workspaces:
  bench: { denied_tools: [] }
""" + ("" if counts else """
# Nothing is counted: what the paths with quotas are compared with.
quotas:
  - { per: user, rate: unlimited }
  - { per: user_tool, rate: unlimited }
"""))
        self.environment = {
            **known,
            "TOOL_GATEWAY_SHARED_SECRET": secrets.token_urlsafe(48),
            "DATABASE_URL": database,
            "GATEWAY_PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "SCOPEGATE__SERVER__LISTEN": f"127.0.0.1:{self.port}",
            "SCOPEGATE__SERVER__METRICS_LISTEN": f"127.0.0.1:{self.metrics}",
            "SCOPEGATE__SERVER__STATE_DIR": os.path.join(self.folder, "state"),
            "SCOPEGATE__REGISTRY__FILE": os.path.join(self.folder, "tools.yaml"),
            "SCOPEGATE__POLICY__FILE": os.path.join(self.folder, "policy.yaml"),
            "SCOPEGATE__UPSTREAM__MAX_TIMEOUT_MS": "3600000",
            "SCOPEGATE__SESSIONS__MAX_PER_CALLER": "10000",
            "SCOPEGATE__SESSIONS__MAX_STREAMS_PER_CALLER": "10000",
            "SCOPEGATE__SESSIONS__MAX_STREAMS_PER_CALLER": "100000",
            # Counted on every call, reached on none.
            "SCOPEGATE__QUOTA__USER__PER_MINUTE": "60000000",
            "SCOPEGATE__QUOTA__USER__BURST": "60000000",
            "SCOPEGATE__QUOTA__USER_TOOL__PER_MINUTE": "60000000",
            "SCOPEGATE__QUOTA__USER_TOOL__BURST": "60000000",
            **({"REDIS_URL": f"redis://127.0.0.1:{redis}"} if redis else {}),
        }

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def start(self):
        """Starts it and gives the time until it said it was ready, in ms."""
        begin = time.monotonic()
        self.server = self.house.start(self.name, [self.house.binary("scopegate")],
                                       folder=self.folder, environment=self.environment)
        def ready():
            self.server.check()
            try:
                return ask(self.port, "GET", "/ready")[0] == 200
            except OSError:
                return False
        wait(f"{self.name} to be ready", ready, pause=0.001)
        return (time.monotonic() - begin) * 1000

    def stop(self):
        self.server.stop()
        self.house.servers.remove(self.server)

    def query(self, sql):
        """The rows of a query, as tuples of text."""
        if self.postgres:
            command = [*self.house.psql, sql]
            command[command.index("-d") + 1] = self.name
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode:
                raise Trouble(f"{self.name}: {made.stderr}")
            return [tuple(line.split(" ")) for line in made.stdout.splitlines()]
        path = os.path.join(self.folder, "scopegate.db")
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=PATIENCE)
        try:
            return [tuple(map(str, row)) for row in connection.execute(sql)]
        finally:
            connection.close()

    def audited(self):
        """How many calls the audit trail let through, and how many of those
        have ended."""
        allowed = self.query("SELECT count(*) FROM audit_events "
                             "WHERE kind = 'decision' AND decision = 'allow'")
        ended = self.query("SELECT count(*) FROM audit_events WHERE kind = 'outcome'")
        return int(allowed[0][0]), int(ended[0][0])

    def endings(self):
        """How many calls ended how."""
        rows = self.query("SELECT status, count(*) FROM audit_calls GROUP BY status")
        return {status: int(number) for status, number in rows}


def call(port, path, token, body):
    """One call, which must succeed: measuring refusals would be of no use."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer " + token,
               "Accept": "application/json, text/event-stream",
               "MCP-Protocol-Version": "2025-11-25"}
    status, answer = ask(port, "POST", path, body, headers)
    try:
        good = status == 200 and json.loads(answer)["result"]["isError"] is False
    except (ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise Trouble(f"the first call of port {port} gets {status}: {answer[:500]!r}")
