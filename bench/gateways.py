"""The gateways that are measured: where they are found, how they are configured and started."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

DRAGOMAN_OPENAI = """\
backends:
  upstream:
    kind: openai
    url: http://127.0.0.1:$upstream/v1
models: {quick: upstream, paced: upstream}
store: null
"""

DRAGOMAN_HTTP = """\
backends:
  upstream:
    kind: http
    url: http://127.0.0.1:$upstream/chatting
    request:
      model: "{{ model }}"
      message: "{{ last_user }}"
      system: "{{ system }}"
      history: "{{ turns }}"
    response:
      text: reply
    stream:
      framing: sse
      request: {stream: true}
      text: delta
      finish: reason
models: {quick: upstream, paced: upstream}
store: null
"""

PLAIN = Path(__file__).with_name("plain.py")

NGINX = """\
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path client;
    proxy_temp_path proxy;
    client_body_buffer_size 128k;
    keepalive_requests 1000000;
    upstream api {
        server 127.0.0.1:$upstream;
        keepalive 128;
        keepalive_requests 1000000;
    }
    server {
        listen 127.0.0.1:$port;
        location / {
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }
    }
}
"""

LITELLM = """\
model_list:
  - model_name: quick
    litellm_params: {model: openai/quick, api_base: "http://127.0.0.1:$upstream/v1", api_key: sk-bench}
  - model_name: paced
    litellm_params: {model: openai/paced, api_base: "http://127.0.0.1:$upstream/v1", api_key: sk-bench}
litellm_settings: {telemetry: false}
"""

LITELLM_ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches a price list from the internet
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}


@dataclass(frozen=True)
class Gateway:
    """One gateway, as a single process on loopback."""

    name: str
    title: str
    program: str | None
    """None if it is not installed."""
    hint: str
    """How to install it."""
    config: str
    """With `$upstream` and `$port` to be filled in."""
    arguments: str
    """With `$config`, `$folder`, `$upstream` and `$port` to be filled in."""
    version_flag: str = "--version"
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, folder: Path, upstream: int, port: int) -> list[str]:
        """What starts it. Its configuration is written into a folder of its own."""
        own = folder / self.name
        own.mkdir(exist_ok=True)
        config = own / "config.yaml"
        config.write_text(Template(self.config).substitute(upstream=upstream, port=port))
        places = {"config": str(config), "folder": str(own), "port": str(port), "upstream": str(upstream)}
        return [str(self.program), *(Template(word).substitute(places) for word in self.arguments.split())]

    def version(self) -> str:
        command = [str(self.program), *self.version_flag.split()]
        environment = {**os.environ, **self.environment}
        said = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
        found = re.search(r"\d+\.\d+[\w.]*", said.stdout + said.stderr)
        return found[0] if found else "of unknown version"


def known_gateways(dragoman: str, litellm: str | None) -> list[Gateway]:
    serve = "serve $config --port $port --log-level warning"
    ours = shutil.which(dragoman)
    python = ours and str(Path(ours).with_name("python"))
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    return [
        Gateway("dragoman-openai", "dragoman, `openai`", ours, "Run scripts/serve once.", DRAGOMAN_OPENAI, serve),
        Gateway("dragoman-http", "dragoman, `http`", ours, "Run scripts/serve once.", DRAGOMAN_HTTP, serve),
        Gateway(
            "dragoman-plain",
            "dragoman, by hand",
            python,
            "Run scripts/serve once.",
            "",
            f"{PLAIN} $upstream $port",
            "-m dragoman --version",
        ),
        Gateway("nginx", "nginx", nginx, "apt-get install nginx-light", NGINX, "-e stderr -p $folder -c $config", "-v"),
        Gateway(
            "litellm",
            "LiteLLM proxy",
            shutil.which(litellm or "litellm"),
            "pip install 'litellm[proxy]' in a virtual environment, then --litellm PATH/bin/litellm",
            LITELLM,
            "--config $config --host 127.0.0.1 --port $port --num_workers 1",
            environment=LITELLM_ENVIRONMENT,
        ),
    ]
