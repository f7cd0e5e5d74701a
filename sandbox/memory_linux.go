package sandbox

import "syscall"

// mapNoReserve keeps reserved address space from counting as promised memory.
const mapNoReserve = syscall.MAP_NORESERVE
