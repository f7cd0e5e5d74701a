// Command kernels spends its time in one kind of work, for measuring what
// metering costs: kernels NAME TIMES.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

type record struct {
	ID    int               `json:"id"`
	Name  string            `json:"name"`
	Tags  []string          `json:"tags"`
	Attrs map[string]string `json:"attrs"`
}

func doJSON() int {
	in := record{7, "somebody", []string{"a", "b", strings.Repeat("c", 100)}, map[string]string{"k": "v", "x": strings.Repeat("y", 500)}}
	b, _ := json.Marshal(in)
	var out record
	_ = json.Unmarshal(b, &out)
	return len(out.Name)
}

func doSHA() int {
	sum := sha256.Sum256(make([]byte, 16<<10))
	return int(sum[0])
}

func doSort() int {
	list := make([]int, 4096)
	for i := range list {
		list[i] = i * 7919 % 4093
	}
	slices.Sort(list)
	return list[0]
}

func main() {
	kernel := map[string]func() int{"json": doJSON, "sha256": doSHA, "sort": doSort}[os.Args[1]]
	times, _ := strconv.Atoi(os.Args[2])
	sum := 0
	for range times {
		sum += kernel()
	}
	fmt.Fprintln(os.Stderr, sum)
}
