# Services in containers, from compose.yaml.

# Prints the command of an engine that answers.
container_engine() {
  local engine
  for engine in docker podman; do
    command -v "$engine" >/dev/null || continue
    timeout 10 "$engine" info >/dev/null 2>&1 || continue
    timeout 10 "$engine" compose version >/dev/null 2>&1 || continue
    printf '%s\n' "$engine"
    return
  done
  return 1
}

compose() {
  local engine=$1
  shift
  "$engine" compose --project-name "cqrs-$(cksum <<<"${state:?}" | cut -d ' ' -f 1)" --file "${root:?}/compose.yaml" "$@" </dev/null
}

compose_up() {
  local name=$1 engine
  engine=$(container_engine)
  printf '%s\n' "$engine" >"$state/$name/compose"
  (
    export "${name^^}_PORT=$(<"$state/$name/port")"
    compose "$engine" up --detach "$name"
  ) >"$state/$name/log" 2>&1 9>&- || die_unhealthy "$name" "could not be started in a container"
}

compose_down() {
  local name=$1 engine
  engine=$(<"$state/$name/compose")
  compose "$engine" rm --stop --force --volumes "$name" >&2 9>&- || true
  rm -f "$state/$name/compose"
  # The last one takes the network along.
  compgen -G "$state/*/compose" >/dev/null || compose "$engine" down --volumes >&2 9>&- || true
}
