#!/bin/sh
# Says, as TAP, whether the program was built as hard as the Makefile means it.
cd "$(dirname "$0")/../.." || exit 99
program=${BUILD:-build}/grafana-images
n=0

says() {
  n=$((n + 1))
  [ "$1" -eq 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

has() { # a sentence, what to look for in which output of readelf
  readelf -W "$2" "$program" 2>/dev/null | grep -qE "$3"
  says $? "$1"
}

hasnt() {
  ! readelf -W "$2" "$program" 2>/dev/null | grep -qE "$3"
  says $? "$1"
}

has "it can be loaded anywhere" -h 'Type: +DYN'
has "what is linked is read-only from the start" -l 'GNU_RELRO'
has "all is linked at the start" -d 'FLAGS.*(BIND_NOW|NOW)'
has "its stack is not code" -l 'GNU_STACK.* RW +0x'
hasnt "nothing in it is both written and run" -l 'LOAD.* (RWE|WE)'
hasnt "it looks for libraries nowhere else" -d 'R(UN)?PATH'
has "stacks have guards" --dyn-syms ' __stack_chk_fail'
has "sizes that are known are checked" --dyn-syms ' __(fprintf|snprintf|memcpy|read)_chk'
if [ "$(uname -m)" = x86_64 ]; then
  # in our own parts; Debian 12's crt1.o has it not, so the whole has it not
  readelf -nW "${program%/*}/src/image/png.o" | grep -q 'IBT, SHSTK'
  says $? "jumps land where they may, and returns where they came from"
fi
echo "1..$n"
