variable() { echo DATABASE_URL; }

url() { echo "postgres://postgres@127.0.0.1:$1/postgres"; }

packages() { programs >/dev/null || echo postgresql; }

prepare() { :; }

# The directory of initdb and postgres: those in PATH, else the newest version of the distribution.
programs() {
  local initdb candidates=()
  initdb=$(command -v initdb) && candidates+=("$(dirname "$(realpath "$initdb")")")
  mapfile -t -O "${#candidates[@]}" candidates < <(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV)
  for directory in "${candidates[@]}"; do
    if unprivileged test -x "$directory/initdb" -a -x "$directory/postgres"; then
      printf '%s\n' "$directory"
      return
    fi
  done
  return 1
}

become() {
  local data=$1/data port=$2 directory
  directory=$(programs)
  # The cluster is thrown away, so initdb need not wait for the disk; the server does.
  unprivileged "$directory/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync
  exec_unprivileged "$directory/postgres" -D "$data" -p "$port" -k '' \
    -c listen_addresses=127.0.0.1 -c max_connections=300 -c fsync=on
}

# A start-up packet for user postgres: R is the server's demand for authentication, E its refusal while it starts.
healthy() { [[ $(first_byte "$1" '\0\0\0\27\0\3\0\0user\0postgres\0\0') == R ]]; }

# A fast shutdown. TERM would wait for the clients; QUIT and KILL may leave shared memory behind.
stop_signal() { echo INT; }
