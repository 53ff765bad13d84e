# Ports of loopback, and what answers there.

# Below the range the kernel gives to clients, so that no connection can take the port in the meantime.
free_port() {
  local port
  while :; do
    port=$((15000 + RANDOM % 17000))
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  printf '%s\n' "$port"
}

# The first line that comes back for the bytes (in printf notation) sent to the port.
first_line() {
  local port=$1 request=$2 line
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return
  # shellcheck disable=SC2059
  printf "$request" >&3
  IFS= read -r -t 5 line <&3 || return
  printf '%s' "${line%$'\r'}"
}

# The first byte that comes back.
first_byte() {
  local port=$1 request=$2 byte
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return
  # shellcheck disable=SC2059
  printf "$request" >&3
  IFS= read -r -t 5 -N 1 byte <&3 || return
  printf '%s' "$byte"
}
