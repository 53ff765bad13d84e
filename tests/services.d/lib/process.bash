# Processes and data directories of the services.

# Servers refuse root, and should not have it.
drop_root=()
if [[ $EUID == 0 ]]; then
  drop_root=(setpriv --reuid=nobody --regid="$(id -gn nobody)" --clear-groups --)
fi

unprivileged() { "${drop_root[@]}" "$@"; }

exec_unprivileged() { exec "${drop_root[@]}" "$@"; }

# When the process started, in clock ticks since boot: with the pid it identifies a process.
start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The name, in parentheses, may contain spaces.
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != Z ]] && printf '%s' "${stat[19]}"
}

record_process() {
  local pid=$1 file=$2 started
  started=$(start_time "$pid") || return 0
  printf '%s %s\n' "$pid" "$started" >"$file.$BASHPID"
  mv "$file.$BASHPID" "$file"
}

# A server that kept its starter's pipes open would hang whoever reads them to the end.
close_inherited() {
  local fd
  for fd in "/proc/$$/fd/"*; do
    fd=${fd##*/}
    # 255 is the script itself.
    ((fd < 3 || fd == 255)) || exec {fd}>&-
  done
}

is_alive() {
  local pid started
  [[ -s $1 ]] && read -r pid started <"$1" && [[ $(start_time "$pid") == "$started" ]]
}

# The living processes of the group; zombies may wait long for a slow parent.
group_members() {
  local file stat
  for file in /proc/[0-9]*/stat; do
    read -r stat 2>/dev/null <"$file" || continue
    read -ra stat <<<"${stat%% *} ${stat##*) }"
    [[ ${stat[3]} != "$1" || ${stat[1]} == [ZX] ]] || printf '%s\n' "${stat[0]}"
  done
}

is_group_alive() { kill -s 0 -- "-$1" 2>/dev/null && [[ -n $(group_members "$1") ]]; }

# Sends the signal to the group, and KILL to what is left of it after SECONDS.
end_group() {
  local group=$1 signal=$2 until=$((SECONDS + $3))
  kill -s "$signal" -- "-$group" 2>/dev/null || return 0
  while is_group_alive "$group"; do
    if ((SECONDS >= until)); then
      kill -s KILL -- "-$group" 2>/dev/null || true
      ((SECONDS < until + 5)) || return 0
    fi
    sleep 0.1
  done
}

# A service leads a group of its own: what it started ends with it.
end_process() {
  local pid
  is_alive "$1" || return 0
  read -r pid _ <"$1"
  end_group "$pid" "$2" 10
}

# A new directory that the unprivileged user can reach. The checkout may lie below a private home directory, and
# /tmp may be in memory, where fsync means nothing.
data_directory() {
  local base directory
  for base in "${state:?}/$1" "${TMPDIR:-/var/tmp}" /var/tmp /tmp; do
    directory=$(mktemp -d "$base/cqrs-$1.XXXXXX" 2>/dev/null) || continue
    ((EUID != 0)) || chown nobody "$directory"
    if unprivileged test -w "$directory"; then
      printf '%s\n' "$directory"
      return
    fi
    rmdir "$directory"
  done
  die "no directory for the data of $1"
}

remove_data() {
  local data
  [[ -s $1/data ]] || return 0
  data=$(<"$1/data")
  [[ $data != */cqrs-*.?????? ]] || rm -rf "$data" || { sleep 1 && rm -rf "$data"; }
}
