# shellcheck shell=bash disable=SC2154 # root and log_dir come from common.sh
# Configuring and building one of the trees below build/.

# Another clone of the same content finds what this one compiled.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

# build_tree NAME "CMAKE OPTIONS" TARGET...: builds the targets in build/NAME. Configures only when the options changed;
# ninja notices changed CMake files by itself. Never more jobs than processors.
build_tree() {
  local name=$1 options=$2
  shift 2
  local tree=$root/build/$name
  # An interrupted first run leaves a cache without build.ninja.
  if [[ ! -f $tree/build.ninja || $(cat "$tree/.options" 2>/dev/null) != "$options" ]]; then
    step "configure build/$name"
    # shellcheck disable=SC2086 # the options are words
    must "configure-$name" "configuring build/$name" cmake --fresh -S "$root" -B "$tree" -G Ninja $options
    printf '%s' "$options" >"$tree/.options"
  fi
  step "build build/$name"
  must "build-$name" "the build of build/$name" ninja -C "$tree" -j "$(nproc)" "$@"
}
