#!/bin/sh
# Usage: installed_cpp_sdk.sh BUILD_FOLDER. Installs the SDK alone into a folder of its own, moves that, and builds the
# installed example by find_package and by pkg-config, with nothing of the source tree; both must answer.
set -eu
build=$(cd "$1" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/emprops-cpp-sdk.XXXXXX")
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --component sdk --prefix "$work/first" >"$work/log"
mv "$work/first" "$work/prefix"
example=$work/prefix/share/emprops-worker/cpp/examples/echo
[ -f "$work/prefix/share/emprops-worker/cpp/README.md" ]

cmake -G Ninja -S "$example" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" >>"$work/log"
cmake --build "$work/cmake" >>"$work/log" || { cat "$work/log"; exit 1; }
[ "$("$work/cmake/emprops-connector-echo" --version)" = "echo 1.0.0" ]

PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name emprops-connector-sdk.pc)")
export PKG_CONFIG_PATH
# Each header, by itself as far as one can see here.
for header in "$work"/prefix/include/emprops/*.h; do echo "#include <emprops/$(basename "$header")>"; done >"$work/all.cpp"
# shellcheck disable=SC2046
"${CXX:-c++}" -Wall -Wextra -Werror -fsyntax-only "$work/all.cpp" $(pkg-config --cflags emprops-connector-sdk)
# shellcheck disable=SC2046
"${CXX:-c++}" -Wall -Wextra -Werror -o "$work/echo" "$example/main.cpp" $(pkg-config --cflags --libs emprops-connector-sdk)
# Its stdin stays open until it has answered: a connector whose worker is gone may leave without a word.
mkfifo "$work/in" "$work/out"
EMPROPS_CONNECTOR=1 "$work/echo" <"$work/in" >"$work/out" &
exec 3>"$work/in" 4<"$work/out"
echo '{"type":"hello","protocol_versions":[1],"worker_id":"w","connector":"c","instance":0,"max_line_bytes":65536,"work_dir":"/tmp","heartbeat":{"interval_ms":0,"missed":3},"settings":{}}' >&3
read -r answer <&4 || answer="nothing"
exec 3>&-
wait
case $answer in
    '{"type":"ready",'*) ;;
    *) echo "no ready but: $answer"; exit 1 ;;
esac
