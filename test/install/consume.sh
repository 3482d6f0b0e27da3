#!/bin/sh
# consume.sh BUILD CMAKE COMPILER LIBDIR: installs BUILD to a temporary prefix, then builds and runs
# consumer/ against it: by find_package, and by pkg-config.
set -eu
build=$1 cmake=$2 compiler=$3 libdir=$4
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }

"$cmake" -S "$here/consumer" -B "$work/build" -G Ninja "-DCMAKE_CXX_COMPILER=$compiler" \
    "-DCMAKE_PREFIX_PATH=$work/prefix" >"$work/configure.log" 2>&1 || { cat "$work/configure.log"; exit 1; }
"$cmake" --build "$work/build"
"$work/build/consumer"

# The file finds its prefix from the place where it lies, also in a tree that was moved.
mv "$work/prefix" "$work/moved"
PKG_CONFIG_PATH="$work/moved/$libdir/pkgconfig"
export PKG_CONFIG_PATH
found=$(realpath "$(pkg-config --variable=prefix simul)")
[ "$found" = "$(realpath "$work/moved")" ] || { echo "simul.pc names the prefix $found, not $work/moved"; exit 1; }
flags=$(pkg-config --cflags --libs simul)
# shellcheck disable=SC2086  # the flags are words
"$compiler" -std=c++20 "$here/consumer/main.cpp" $flags "-Wl,-rpath,$work/moved/$libdir" -o "$work/by_pkg_config"
"$work/by_pkg_config"
