# Debian packages.

as_root=()
((EUID == 0)) || as_root=(sudo -n)

can_install() {
  command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null
}

install_packages() {
  local log
  log=$(mktemp)
  say "installing $*"
  # In a session of its own: an interrupt in the middle would leave dpkg half done.
  if setsid --wait "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C sh -c "$install_script" install "$@" \
    </dev/null >"$log" 2>&1 9>&-; then
    rm -f "$log"
    return 0
  fi
  tail -n 20 "$log" >&2
  rm -f "$log"
  return 1
}

# Debian starts a daemon when it installs its package, unless policy-rc.d forbids it. One at a time, for whoever puts
# that file there also takes it away.
# shellcheck disable=SC2016
install_script='
  exec 8>/run/lock/cqrs-services && flock 8
  guard=/usr/sbin/policy-rc.d
  if [ ! -e "$guard" ]; then
    trap "rm -f $guard" EXIT
    trap "exit 1" HUP INT TERM
    printf "#!/bin/sh\nexit 101\n" >"$guard"
    chmod 755 "$guard"
  fi
  # The lists have a lock that no option of apt waits for.
  tries=0
  while update=$(apt-get -q update 2>&1); case $update in *"Could not get lock"*) ;; *) false ;; esac; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || break
    sleep 2
  done
  printf "%s\n" "$update"
  apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
'
