//go:build wasip1

// Command go is the kernels written in Go, as a reactor: each export does its work
// n times and returns a sum, so that nothing is left out.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
)

type record struct {
	ID    int               `json:"id"`
	Name  string            `json:"name"`
	Tags  []string          `json:"tags"`
	Attrs map[string]string `json:"attrs"`
}

//go:wasmexport json
func doJSON(n int32) int32 {
	in := record{7, "somebody", []string{"a", "b", strings.Repeat("c", 100)}, map[string]string{"k": "v", "x": strings.Repeat("y", 500)}}
	sum := 0
	for range n {
		b, _ := json.Marshal(in)
		var out record
		_ = json.Unmarshal(b, &out)
		sum += len(out.Name) + len(b)
	}
	return int32(sum)
}

var block [16 << 10]byte

//go:wasmexport sha256
func doSHA(n int32) int32 {
	sum := 0
	for range n {
		digest := sha256.Sum256(block[:])
		sum += int(digest[0])
	}
	return int32(sum)
}

//go:wasmexport sort
func doSort(n int32) int32 {
	list := make([]int, 4096)
	sum := 0
	for range n {
		for i := range list {
			list[i] = i * 7919 % 4093
		}
		slices.Sort(list)
		sum += list[17]
	}
	return int32(sum)
}

const size = 96

var a, b, c [size][size]float64

//go:wasmexport matmul
func doMatmul(n int32) int32 {
	for i := range size {
		for j := range size {
			a[i][j], b[i][j] = float64(i+j), float64(i-j)
		}
	}
	for ; n > 0; n-- {
		for i := range size {
			for j := range size {
				sum := 0.0
				for k := range size {
					sum += a[i][k] * b[k][j]
				}
				c[i][j] = sum + float64(n)
			}
		}
	}
	return int32(c[7][11])
}

type planet struct{ x, y, z, vx, vy, vz, mass float64 }

//go:wasmexport nbody
func doNbody(n int32) int32 {
	planets := make([]planet, 5)
	for i := range planets {
		f := float64(i)
		planets[i] = planet{f * 1.5, f * f * 0.7, 5 - f, 0.1 * f, 0.2, -0.1 * f, 1 / (f + 1)}
	}
	for range n * 100 {
		for i := range planets {
			p := &planets[i]
			for j := i + 1; j < len(planets); j++ {
				q := &planets[j]
				dx, dy, dz := p.x-q.x, p.y-q.y, p.z-q.z
				d := dx*dx + dy*dy + dz*dz + 0.01
				mag := 0.001 / (d * math.Sqrt(d))
				p.vx, p.vy, p.vz = p.vx-dx*q.mass*mag, p.vy-dy*q.mass*mag, p.vz-dz*q.mass*mag
				q.vx, q.vy, q.vz = q.vx+dx*p.mass*mag, q.vy+dy*p.mass*mag, q.vz+dz*p.mass*mag
			}
		}
		for i := range planets {
			p := &planets[i]
			p.x, p.y, p.z = p.x+0.001*p.vx, p.y+0.001*p.vy, p.z+0.001*p.vz
		}
	}
	return int32(planets[0].x * 1e6)
}

//go:wasmexport sieve
func doSieve(n int32) int32 {
	composite := make([]bool, 1<<16)
	count := int32(0)
	for range n {
		count = 0
		clear(composite)
		for i := 2; i < len(composite); i++ {
			if composite[i] {
				continue
			}
			count++
			for j := 2 * i; j < len(composite); j += i {
				composite[j] = true
			}
		}
	}
	return count
}

var (
	pattern = regexp.MustCompile(`(\w+)@(\w+)\.(com|org)`)
	prose   = []byte(strings.Repeat("write to somebody@example.org or, if you must, to no-one at all; ", 20))
)

//go:wasmexport regex
func doRegex(n int32) int32 {
	sum := 0
	for range n {
		sum += len(pattern.FindAllIndex(prose, -1))
	}
	return int32(sum)
}

func fibonacci(n int) int {
	if n < 2 {
		return 1
	}
	return fibonacci(n-1) + fibonacci(n-2)
}

//go:wasmexport fib
func doFib(n int32) int32 {
	sum := 0
	for i := range n {
		sum += fibonacci(18 + int(i)%2)
	}
	return int32(sum)
}

func main() {}
