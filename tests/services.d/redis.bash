variable() { echo REDIS_URL; }

url() { echo "redis://127.0.0.1:$1/"; }

packages() { command -v redis-server >/dev/null || echo redis-server; }

prepare() { :; }

become() {
  exec_unprivileged redis-server --bind 127.0.0.1 --port "$2" --dir "$1" --appendonly yes --save ''
}

healthy() { [[ $(first_line "$1" 'PING\r\n') == +PONG ]]; }

# Its data is thrown away.
stop_signal() { echo KILL; }
