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

# What the group's processes hold open. In a container not even root may look at another user's processes.
open_files() { group_members "$1" | "${@:2}" xargs -I {} find /proc/{}/fd -type l -printf '%l\n' 2>/dev/null || true; }

# Whether one of the group's processes listens on the port.
is_listening() {
  local group=$1 port=$2 sockets
  sockets=$(awk -v port="$(printf ':%04X$' "$port")" '$4 == "0A" && $2 ~ port { print "socket:[" $10 "]" }' /proc/net/tcp*)
  [[ -n $sockets ]] && { open_files "$group" env && open_files "$group" unprivileged; } | grep -xF "$sockets" >/dev/null
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
