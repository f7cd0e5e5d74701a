package density

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
)

// Memory is what the process has, or has more than before.
type Memory struct {
	// RSS is resident memory in KiB, shared pages counted each time they are
	// mapped, as the system does; Private is what nobody else has; PageTables is
	// what the system needs to know of them.
	RSS        int64 `json:"rssKiB"`
	Private    int64 `json:"privateKiB"`
	PageTables int64 `json:"pageTablesKiB"`
	// Mappings counts the entries of the process's memory map.
	Mappings int64 `json:"mappings"`
}

// look gives back what the Go heap does not need, and asks the system.
func look() (m Memory, err error) {
	debug.FreeOSMemory()
	for file, fields := range map[string]map[string]*int64{
		"/proc/self/status":       {"VmRSS:": &m.RSS, "VmPTE:": &m.PageTables},
		"/proc/self/smaps_rollup": {"Private_Dirty:": &m.Private},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			return m, fmt.Errorf("the system does not tell how much memory is used: %w", err)
		}
		for name, to := range fields {
			if *to, err = field(text, name); err != nil {
				return m, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	m.Mappings = int64(bytes.Count(maps, []byte("\n")))
	return m, err
}

// field finds the number behind a name at the beginning of a line.
func field(text []byte, name string) (int64, error) {
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) > 1 && string(words[0]) == name {
			return strconv.ParseInt(string(words[1]), 10, 64)
		}
	}
	return 0, fmt.Errorf("there is no %s", name)
}

// since is by how much it is more than before.
func since(before Memory) (Memory, error) {
	m, err := look()
	return Memory{m.RSS - before.RSS, m.Private - before.Private, m.PageTables - before.PageTables, m.Mappings - before.Mappings}, err
}
